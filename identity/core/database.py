"""The SQLAlchemy engine for PostgreSQL or SQLite, its transactions, and how times are stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Session,
    SessionTransaction,
    sessionmaker,
)

from identity.database_urls import without_pooler
from identity.settings import Settings

from .database_availability import Availability
from .database_deadlines import WORK, Patience, connect_args
from .database_faults import AWAY, record_faults
from .database_pings import ALONE, statements_alone, try_connections, untried
from .database_pooler import connect_args_for_pooler, limit_each_transaction
from .database_sqlite import make_sqlite_engine, overwrite_deleted
from .metrics import Family
from .node_epoch import FILE, NodeEpoch, ends_memory
from .sqlite_turns import READS_ONLY
from .waiting import about_to_wait

T = TypeVar("T")

LANES, COUNTS = "lanes", "counts"  # in `Session.info`
ASKING = "guichet_asking"  # among the execution options of an engine: the options of connections of `Database.ask`
SHORT = "guichet_short"  # the same for those of `Database.connected`
ALL_TABLES = "all_tables"  # in `Base.metadata.info`, by tables.py
AVAILABILITY = "guichet_availability"  # among the execution options of an engine


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, always timezone-aware in Python: SQLite returns times without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy\'s signature
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy\'s signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all tables. Constraints are named by convention, so migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012  read by SQLAlchemy, never changed


class UnlimitedSession(Session):
    """A session in which no limit on mails, invitations and tries holds (`GUICHET_LIMITS=off`)."""


def limits_count(session: Session) -> bool:
    """Whether limits on mails, invitations and tries hold in this transaction."""
    return not isinstance(session, UnlimitedSession)


def takes_changes(session: Session) -> bool:
    """Whether a transaction may change anything: not on a replica of PostgreSQL, for instance."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SHOW transaction_read_only")) == "off")


def marked_columns(mark: Mapping[str, Any]) -> list[InstrumentedAttribute[Any]]:
    """All columns of all tables declared with `mapped_column(info=mark)`.

    Raises RuntimeError where `identity.tables` was not imported: one of them might be missed.
    """
    if not Base.metadata.info.get(ALL_TABLES):
        raise RuntimeError("identity.tables is not imported here, and some tables are not known")
    return [
        getattr(mapper.class_, mapper.get_property_by_column(column).key)
        for mapper in Base.registry.mappers
        for column in mapper.local_table.columns
        if mark.items() <= column.info.items()
    ]


def wake_after_commit(session: Session, lane: str) -> None:
    """Record that this lane has a new job: `Database` calls `wake_outbox` after the commit."""
    session.info.setdefault(LANES, set()).add(lane)


def count_after_commit(session: Session, family: Family, **labels: str) -> None:
    """Record that something happened: it is counted once it is committed, and not before."""
    session.info.setdefault(COUNTS, []).append((family, labels))


@event.listens_for(Session, "after_soft_rollback")
def _forget_what_was_to_follow(session: Session, undone: SessionTransaction) -> None:
    """Of what is tried only, as in a dry run, nothing happened: the commit at its end is empty."""
    if undone.parent is None:  # and not a savepoint alone
        for each in (LANES, COUNTS):
            session.info.pop(each, None)


class Database:
    """Opens transactions.

    `wake_outbox` is called after a commit that enqueued jobs, with their lanes.
    """

    def __init__(
        self,
        engine: Engine,
        wake_outbox: Callable[[set[str]], None] | None = None,
        *,
        limited: bool = True,
        epoch: NodeEpoch | None = None,
    ) -> None:
        """`limited`: whether limits on mails, invitations and tries hold.

        `epoch`: what ends the memory of the node's processes after a commit that asks for it.
        """
        self.engine = engine
        self.epoch = epoch
        self.wake_outbox = wake_outbox or (lambda _lanes: None)
        self.takes_changes = True  # when a change was last tried, by the heartbeat
        kind = Session if limited else UnlimitedSession
        self._sessions = sessionmaker(engine, class_=kind, expire_on_commit=False)
        options = engine.get_execution_options()
        self._availability: Availability | None = options.get(AVAILABILITY)
        self._asked = engine.execution_options(**options.get(ASKING, {}))

    @property
    def is_away(self) -> bool:
        """Whether it did not answer in time when it was last asked.

        Who can do without it need not ask then. Only processes that serve requests know it.
        """
        return self._availability is not None and self._availability.is_away

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end of the block, roll back if it raises.

        On SQLite it is the one writer from the beginning. Raises OperationalError, at once if the
        database did not answer lately.
        """
        self._refuse_if_away()
        with self._sessions() as session:
            try:
                with session.begin():
                    yield session
            finally:
                # Also if the commit failed: the database may have carried it out.
                if self.epoch is not None and ends_memory(session):
                    self.epoch.renew()
        for family, labels in session.info.get(COUNTS, ()):
            family.inc(**labels)
        lanes: set[str] = session.info.get(LANES, set())
        if lanes:
            self.wake_outbox(lanes)

    @contextmanager
    def reading(self, *, as_of_one_moment: bool = False) -> Iterator[Session]:
        """A read-only transaction. On SQLite it waits for no writer. Raises as `transaction`.

        `as_of_one_moment`: all its statements see the database as the first one did, as on SQLite.
        """
        self._refuse_if_away()
        options: dict[str, Any] = {READS_ONLY: True}
        if as_of_one_moment and self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with self._sessions(autoflush=False) as session:
            connection = session.connection(execution_options=options)
            yield session
            # A rollback would make the driver forget the statements that it has prepared.
            began = connection.get_transaction()
            if began is not None and began.is_active and not connection.invalidated:
                with suppress(*AWAY):  # what was read is read
                    began.commit()

    def ask(self, question: Callable[[Connection], T]) -> T:
        """What a question answers that only reads, by Core, and that any request asks.

        Each statement is a transaction of its own. The connection is not tried before: if it turns
        out to be broken, the question is asked once more, on a fresh one. Raises as `transaction`.
        """
        try:
            return self._ask(question)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._ask(question)

    def _ask(self, question: Callable[[Connection], T]) -> T:
        self._refuse_if_away()
        with untried(), self._asked.connect() as connection, statements_alone(connection):
            return question(connection)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection for several short transactions, each begun by its `begin`.

        On PostgreSQL, without a pooler, each of their statements is a transaction of its own.
        """
        self._refuse_if_away()
        options = self.engine.get_execution_options().get(SHORT, {})
        with self.engine.connect() as connection:
            yield connection.execution_options(**options)

    def overwrite_deleted(self) -> None:
        """Leave nothing of deleted rows in the files of SQLite, its write-ahead log included.

        PostgreSQL removes them at the next vacuum.
        """
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                overwrite_deleted(connection)

    def ping(self) -> None:
        """Raise SQLAlchemyError unless the database answers."""
        self._refuse_if_away()
        _ping(self.engine)

    def _refuse_if_away(self) -> None:
        """Raises OperationalError; WouldWait where nobody may wait for the database."""
        if self.is_away:
            error = TimeoutError("the database did not answer lately")
            raise OperationalError(None, None, error)
        about_to_wait()


def open_database(
    settings: Settings,
    wake_outbox: Callable[[set[str]], None] | None = None,
    *,
    patience: Patience = WORK,
) -> Database:
    """The database of these settings, with timeouts for connections, locks and statements."""
    engine = make_engine(settings.database, patience)
    epoch = NodeEpoch(settings.data_dir / FILE)
    return Database(engine, wake_outbox, limited=settings.limits == "on", epoch=epoch)


def make_engine(url: str, patience: Patience = WORK) -> Engine:
    """An engine for a SQLAlchemy URL, with timeouts.

    With `pooler=transaction` in the URL, PgBouncer or its like may stand in between. A SQLite file is readable by this user only.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = make_sqlite_engine(url)
        record_faults(engine)
        engine.update_execution_options(**{ASKING: {READS_ONLY: True}})
        return engine
    from .bounded_connections import bound  # noqa: PLC0415  loads the driver of PostgreSQL

    address, through_pooler = without_pooler(url)
    arguments = connect_args(patience)
    if through_pooler:
        arguments.pop("options", None)  # a pooler takes none
        arguments |= connect_args_for_pooler()
    engine = create_engine(
        address,
        hide_parameters=True,  # they are addresses, hashes and secrets, and errors are logged
        pool_timeout=patience.connect,
        connect_args=arguments,
    )
    if through_pooler:
        limit_each_transaction(engine, patience)
    try_connections(engine)
    availability = Availability(partial(_ping, engine))
    bound(engine, patience, availability)
    # Saves BEGIN and ROLLBACK. Behind a pooler, each transaction has to begin with the time-outs.
    single = {} if through_pooler else {"isolation_level": "AUTOCOMMIT"}
    engine.update_execution_options(
        **{AVAILABILITY: availability, ASKING: {ALONE: not through_pooler}, SHORT: single}
    )
    event.listen(engine, "engine_disposed", lambda _engine: availability.rest())
    record_faults(engine)
    return engine


def _ping(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("select 1"))
