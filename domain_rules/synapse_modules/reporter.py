"""Reports to Guichet which addresses are verified here and what became of invitations.

Reports are queued in Synapse's database by the callback they come from, and one process sends them
until Guichet has accepted them, so nothing is lost while it cannot be reached. At start and once an
hour, what Guichet knows is compared with what is here.
"""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from domain_rules.user_ids import homeserver_of

from . import report_queue, reports
from .cache import MS
from .clients import GuichetUnreachable
from .guards import Guards
from .part import Context, Part
from .reports import AccountAddress, KnownAddress, Report, ReportKind, ReportResult

WORK_MS = 2000
REFUSALS_MS = 60_000
COMPARE_MS = 3_600_000
MAX_REPORTS = 100  # reports in one request
MAX_REQUESTS = 50  # requests in one go
BAD_REQUEST, TOO_LARGE = 400, 413
EMAIL = "email"

logger = logging.getLogger(__name__)


class Reporter(Part):
    """The part: callbacks in every process, sending in the one that runs background tasks."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._has_tables = False
        self._turn = 0
        self._reached = -1
        self._epoch_of_rules = ""
        self._failures = 0
        self._failed_ms = 0
        self._again_ms = 0
        self._compare_ms = 0
        self._most = MAX_REPORTS
        guards = Guards(self.refusals, closes_for=lambda _user_id: False)
        self.api.register_third_party_rules_callbacks(
            on_add_user_third_party_identifier=guards.noticing(self.on_add),
            on_remove_user_third_party_identifier=guards.noticing(self.on_remove),
            on_user_deactivation_status_changed=guards.noticing(self.on_deactivation),
        )
        self.api.looping_background_call(
            self.report_refusals, REFUSALS_MS, desc="guichet_refusals", run_on_all_instances=True
        )
        if self.api.should_run_background_tasks():
            self.api.looping_background_call(self.work, WORK_MS, desc="guichet_reports")

    async def on_add(self, user_id: str, medium: str, address: str) -> None:
        """This homeserver verified an address."""
        await self._put_address(ReportKind.BOUND, user_id, medium, address)

    async def on_remove(self, user_id: str, medium: str, address: str) -> None:
        """An address was removed."""
        await self._put_address(ReportKind.UNBOUND, user_id, medium, address)

    async def on_deactivation(
        self,
        user_id: str,
        deactivated: bool,  # noqa: FBT001  # Synapse's signature
        _by_admin: bool,  # noqa: FBT001  # the same
    ) -> None:
        """An account was deactivated. A reactivated one gets its addresses reported by itself."""
        if deactivated:
            await self._put(Report(ReportKind.DEACTIVATED, self._now_ms(), {"user_id": user_id}))

    async def report_refusals(self) -> None:
        """Queue a report of this process's refusals."""
        report = reports.report_of_refusals(self.refusals.drain(), self._now_ms())
        if report is not None:
            await self._put(report)

    async def work(self) -> None:
        """Look for news and send what waits. Raises nothing: the next round comes."""
        try:
            await self._make_tables()
            await self.cache.ready()
            await self._read_events()
            await self._see_epoch_of_rules()
            if self._now_ms() >= self._compare_ms and self.cache.is_known:
                await self._compare()
            if self._may_try():
                await self._send()
        except GuichetUnreachable as fault:
            self._failures += 1
            self._failed_ms = self._now_ms()
            self._again_ms = self._failed_ms + reports.retry_delay(self._failures) * MS
            logger.warning("Guichet is away, reports wait: %s", fault)
        except Exception:
            logger.exception("reports could not be sent; they wait")

    async def _put_address(self, kind: ReportKind, user_id: str, medium: str, address: str) -> None:
        if medium == EMAIL:
            await self._put(reports.report_of_address(kind, (user_id, address), self._now_ms()))

    async def _put(self, *found: Report) -> None:
        await self._make_tables()
        turn = self._next_turn()
        self._turn = turn + len(found)
        await self._run(report_queue.enqueue, found, turn)

    def _next_turn(self) -> int:
        """Reports of one account must keep their order, also within one millisecond."""
        return max(self._turn, self._now_ms() * MS)

    async def _read_events(self) -> None:
        seen, reached = await self._run(report_queue.read_new_events)
        found = [
            report
            for event in seen
            if (
                report := reports.report_of_event(
                    event, own_name=self.cache.own_name, is_guest=self._is_guest(event)
                )
            )
        ]
        if found:
            await self._put(*found)
        if reached != self._reached:
            await self._run(report_queue.record_position, reached)
            self._reached = reached

    async def _see_epoch_of_rules(self) -> None:
        """The rules carry the epoch too: where nothing happens, no answer to a report brings it."""
        epoch = self.cache.epoch
        if epoch and epoch != self._epoch_of_rules:
            await self._begin_epoch(epoch)
            self._epoch_of_rules = epoch

    async def _begin_epoch(self, epoch: str) -> None:
        """If Guichet has another database, tell it what it may not know."""
        turn = self._next_turn()

        def begin(txn: Any) -> int | None:
            return report_queue.begin_epoch(
                txn,
                epoch,
                turn,
                own_name=self.cache.own_name,
                guichet_names=self.cache.identity_servers,
                at_ms=self._now_ms(),
            )

        count = await self._run(begin)
        if count is not None:
            logger.warning(
                "Guichet has another database: it is told again of every address, and of %d more",
                count,
            )
            self._turn = turn + count
            self._compare_ms = 0

    async def _compare(self) -> None:
        here, heard, waiting = await self._run(report_queue.read_addresses)
        revision = self.cache.rules.revision
        missing = reports.find_differences(here, heard, waiting=waiting, revision=revision)
        if missing:
            logger.info("Guichet is told of %d addresses that it has not heard of", len(missing))
            now = self._now_ms()
            await self._put(*(reports.report_of_address(kind, pair, now) for kind, pair in missing))
        self._compare_ms = self._now_ms() + COMPARE_MS

    async def _send(self) -> None:
        for _ in range(MAX_REQUESTS):
            batch = await self._run(report_queue.read_waiting, self._most)
            if not batch:
                return
            answer = await self.client.post("/reports", {"reports": [one.sent for one in batch]})
            if answer.status in {BAD_REQUEST, TOO_LARGE}:
                await self._handle_unreadable(batch, answer.body)
                continue
            if not answer.is_good or not isinstance(answer.body, dict):
                raise GuichetUnreachable(f"answered {answer.status}")
            await self._handle_results(batch, answer.body)
            self._failures, self._most = 0, MAX_REPORTS

    async def _handle_unreadable(self, batch: Sequence[Report], said: Any) -> None:
        """A report cannot be read: each is sent alone, and that one is dropped."""
        if len(batch) > 1:
            self._most = 1
            return
        logger.error("Guichet cannot read a report of kind %s: %s", batch[0].kind.value, said)
        await self._run(report_queue.mark_sent, batch)

    async def _handle_results(self, batch: Sequence[Report], said: dict[str, Any]) -> None:
        results = {one.get("id"): one for one in said.get("results", ())}
        answered = [report for report in batch if report.id in results]
        if not answered:
            raise GuichetUnreachable("answered without results")
        if said.get("epoch"):
            await self._begin_epoch(str(said["epoch"]))
        for report in answered:
            result, why = results[report.id].get("result"), results[report.id].get("why")
            if result == ReportResult.REJECTED.value:
                logger.warning("Guichet rejected a report of kind %s: %s", report.kind.value, why)
            await self._record_result(report, str(result))
        await self._run(report_queue.mark_sent, answered)

    async def _record_result(self, report: Report, result: str) -> None:
        if report.kind not in {ReportKind.BOUND, ReportKind.UNBOUND}:
            return
        pair: AccountAddress = (report.facts["user_id"], report.facts["address"])
        if report.kind is ReportKind.UNBOUND:
            await self._run(report_queue.record_known_address, pair, None)
            return
        known = KnownAddress(result, self.cache.rules.revision)
        await self._run(report_queue.record_known_address, pair, known)
        identity_server = self.identity_server
        if result == ReportResult.OK.value and identity_server is not None:
            # So that Synapse asks Guichet to unbind it when the account is deactivated.
            await self.api.store_remote_3pid_association(pair[0], EMAIL, pair[1], identity_server)

    @property
    def identity_server(self) -> str | None:
        """The name under which Synapse reaches Guichet, always by https."""
        url = urlsplit(self.config.guichet_url)
        names = self.config.identity_servers
        if url.scheme == "https" and (not names or url.netloc in names):
            return url.netloc
        return min(names, default=None)

    def _may_try(self) -> bool:
        """Not right after a failure, unless Guichet answered a request for rules since."""
        is_back = self.cache.rules_heard_ms > self._failed_ms
        return self._now_ms() >= self._again_ms or is_back

    def _is_guest(self, event: reports.SeenEvent) -> bool:
        user_id = event.state_key
        is_ours = user_id.startswith("@") and homeserver_of(user_id) == self.cache.own_name
        return is_ours and self.cache.is_guest(user_id)

    async def _make_tables(self) -> None:
        if self._has_tables:
            return
        await self._create_tables(report_queue.TABLES)
        self._has_tables = True

    async def _run(self, function: Any, *given: Any) -> Any:
        return await self._query("guichet_binder", function, *given)
