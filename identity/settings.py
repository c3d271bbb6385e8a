"""The settings of a deployment, read once from the environment (GUICHET_*) and from `.env`."""

import secrets
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from domain_rules.mailboxes import read_mail_domain, read_mailbox

from .network_settings import Hosts, Networks, Proxies, check_listen, split_commas
from .networks import Header, read_address

PREFIX = "GUICHET_"
LOOPBACK_NAMES = {"localhost", "guichet.localhost"}


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address means this machine itself."""
    if not host:
        return False
    if host in LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    ip = read_address(host)
    return ip is not None and ip.is_loopback


def check_public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("must be an http(s) URL, for example https://guichet.example.org")
    if parts.path not in {"", "/"}:
        raise ValueError("must have no path: Guichet stands at the root of its host")
    if not value.isascii():  # headers of mails contain it, and they take A-labels only
        host = read_mail_domain(parts.hostname)
        value = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    return value.rstrip("/")


def check_name(value: str) -> str:
    """A name that people read, also in subjects of mails."""
    if not value.isprintable():
        raise ValueError(
            "must hold no line breaks or other control characters, for example Guichet"
        )
    return value


def check_smtp_url(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("must look like smtp://user:password@relay.example.org:587?tls=starttls")
    return value


def check_algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if "sha256" not in value:
        raise ValueError("must name sha256, for example sha256 or sha256,none")
    return value


Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_commas)]


LookupAlgorithms = Annotated[
    tuple[Literal["sha256", "none"], ...],
    NoDecode,
    BeforeValidator(split_commas),
    AfterValidator(check_algorithms),
]


def _zone(name: object) -> object:
    """A time zone by its name in the IANA database, such as Europe/Paris."""
    if not isinstance(name, str):
        return name
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Paris or Indian/Reunion") from None


TimeZone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class Settings(BaseSettings):
    """The settings.

    Every field is the variable GUICHET_<NAME>; secrets also GUICHET_<NAME>_FILE.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Path("var")
    database_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    smtp_url: Annotated[SecretStr | None, AfterValidator(check_smtp_url)] = None
    public_url: Annotated[str, AfterValidator(check_public_url)] = "http://127.0.0.1:8090"
    server_name: str = "guichet.localhost"
    server_aliases: Strings = ()
    secret_keys: Secrets = ()
    storage_keys: Secrets = ()
    homeserver_keys: Secrets = ()  # for the worker only, see keys/process_keys.py
    homeserver_public_key: SecretStr | None = None
    mail_from: Annotated[str, AfterValidator(read_mailbox)] = "Guichet <bonjour@guichet.localhost>"
    mail_reply_to: Annotated[str, AfterValidator(read_mailbox)] | None = None
    mail_bounce_domain: Annotated[str, AfterValidator(read_mail_domain)] | None = None
    internal_listen: Annotated[str, AfterValidator(check_listen)] = "127.0.0.1:8091"
    internal_networks: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    internal_hosts: Hosts = ()  # empty: the listener's own address and loopback
    protected_networks: Networks = ()
    trusted_proxies: Proxies = ()
    proxy_header: Header = "x-forwarded-for"
    shared_networks: Networks = ()
    info_person_level: Literal["off", "authenticated", "legacy"] = "off"
    client_url: str = "https://app.element.io"
    templates_dir: Path | None = None
    brand: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""  # a folder of templates_dir
    association_policy: Literal["rule", "any"] = "rule"
    lookup_algorithms: LookupAlgorithms = ("sha256",)
    terms_file: Path | None = None
    next_link_hosts: Strings = ()  # extra hosts that `next_link` of a client may lead to
    default_locale: Literal["fr", "en"] = "fr"
    limits: Literal["on", "off"] = "on"
    service_name: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(check_name)] = (
        "Guichet"
    )
    support_url: str | None = None
    time_zone: TimeZone = ZoneInfo("Europe/Paris")
    web_threads: Annotated[int, Field(ge=1, le=64)] = (
        8  # requests at once, in each process of the web
    )
    log_format: Literal["json", "text"] | None = None  # None: text on a terminal, else JSON

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls, env_settings),
            dotenv_settings,
            SecretFiles(settings_cls, dotenv_settings),
        )

    @model_validator(mode="before")
    @classmethod
    def empty_is_unset(cls, given: Any) -> Any:
        """Treat an empty variable as unset, except the one of the internal listener."""
        if not isinstance(given, dict):
            return given
        return {k: v for k, v in given.items() if v != "" or k == "internal_listen"}

    @model_validator(mode="after")
    def mail_reaches_people(self) -> Self:
        """Require a relay unless the service is local: without one, mails stay in a folder."""
        if self.smtp_url is None and not self.is_local:
            raise ValueError(
                "GUICHET_SMTP_URL is needed when GUICHET_PUBLIC_URL is not loopback, "
                "for example smtp://relay.example.org:587?tls=starttls"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether people reach this service only on the machine it runs on."""
        return is_loopback(urlsplit(self.public_url).hostname)

    @property
    def names(self) -> tuple[str, ...]:
        """All server names of this identity server; it signs with the first."""
        return (self.server_name, *self.server_aliases)

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the embedded default: SQLite in the data directory."""
        return self.database_url is None

    @property
    def stores_files(self) -> bool:
        """Whether the data directory contains personal data: database, broker or mails."""
        return None in {self.database_url, self.broker_url, self.smtp_url}

    @property
    def database(self) -> str:
        """The SQLAlchemy URL."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'guichet.db'}"

    @property
    def brand_dir(self) -> Path | None:
        """The folder of the operator's own templates of mails, if there is one."""
        return self.templates_dir / self.brand if self.templates_dir else None

    @property
    def mail_dir(self) -> Path:
        return self.data_dir / "mail"


class SecretFiles(PydanticBaseSettingsSource):
    """Reads GUICHET_<NAME>_FILE: the value is in a file, as container platforms provide secrets."""

    def __init__(self, settings_cls: type[BaseSettings], around: PydanticBaseSettingsSource):
        super().__init__(settings_cls)
        self.variables: dict[str, str | None] = dict(getattr(around, "env_vars", {}))

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = self.variables.get(f"{PREFIX}{field_name}_file".lower())
        if path and ("SecretStr" in repr(field.annotation) or "SecretStr" in repr(field.metadata)):
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


class WrongSettings(Exception):
    """Some settings cannot be used. The message names each variable and its fault."""


def read_settings(**overrides: Any) -> Settings:
    """Read the environment and `.env`. Raises WrongSettings with all faults."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = f"{PREFIX}{fault['loc'][0]}".upper() if fault["loc"] else ""
            lines.append(
                ": ".join(filter(None, (name, fault["msg"].removeprefix("Value error, "))))
            )
        raise WrongSettings("\n".join(lines)) from None
    except OSError as error:
        raise WrongSettings(f"a GUICHET_…_FILE cannot be read: {error}") from None


def new_secret() -> str:
    """Make a new key: 32 random bytes, in base64url."""
    return secrets.token_urlsafe(32)
