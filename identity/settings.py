"""The settings of a deployment, read once: GUICHET_* of the environment, of a file, or of `.env`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from domain_rules.mailboxes import read_mail_domain, read_mailbox

from .checked_values import (
    check_algorithms,
    check_broker_url,
    check_database_url,
    check_keys,
    check_name,
    check_one_line,
    check_redis_url,
    check_server_name,
    check_support_url,
    check_trusted,
    new_secret as new_secret,  # noqa: PLC0414  the settings name it in their messages
    port_of,
)
from .client_links import check_template
from .env_files import VARIABLE, WrongEnvFile, find_env_file
from .hosts import split_url
from .network_settings import Hosts, Networks, Proxies, check_listen, check_port, split_commas
from .networks import Header, read_address
from .setting_sources import PREFIX, EnvFile, SecretFiles, UnreadableSecret
from .sso_settings import (
    RoleRule,
    check_claim,
    check_issuer,
    check_scopes,
    read_role_rule,
    split_blanks,
)

CAN_BE_EMPTY = ("internal_listen", "worker_metrics_listen")
NOT_IN_PUBLIC = {*"?#@\\ "}
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
    example, value = "for example https://guichet.example.org", value.strip(" ")
    parts = split_url(value, example)
    if parts.scheme not in {"http", "https"} or not parts.hostname or NOT_IN_PUBLIC & set(value):
        raise ValueError(f"must be an http(s) URL with a host and nothing else, {example}")
    port = port_of(parts)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            "must begin with https:// unless it is this machine alone: codes and cookies go there, "
            "for example https://guichet.example.org"
        )
    if parts.path not in {"", "/"}:
        raise ValueError("must have no path: Guichet stands at the root of its host")
    if parts.hostname.endswith(".") or unquote(parts.hostname) != parts.hostname:
        raise ValueError(f"must name its host as browsers show it, {example}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not host.isascii():  # headers of mails contain it, and they take A-labels only
        host = read_mail_domain(host)
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def check_smtp_url(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    example = "smtp://user:password@relay.example.org:587?tls=starttls"
    parts = split_url(value.get_secret_value(), f"for example {example}")
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError(f"must look like {example}")
    port_of(parts)
    return value


Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_commas)]
Keys = Annotated[Secrets, AfterValidator(check_keys)]
ServerName = Annotated[str, AfterValidator(check_server_name)]
ServerNames = Annotated[tuple[ServerName, ...], NoDecode, BeforeValidator(split_commas)]

Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_blanks)]
RoleRules = Annotated[
    tuple[Annotated[RoleRule, BeforeValidator(read_role_rule)], ...],
    NoDecode,
    BeforeValidator(split_commas),
]
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

    Every field is the variable GUICHET_<NAME>; secrets also GUICHET_<NAME>_FILE. The environment
    is stronger than the file of production, and that file takes the place of `.env`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Path("var")
    database_url: Annotated[SecretStr | None, AfterValidator(check_database_url)] = None
    broker_url: Annotated[SecretStr | None, AfterValidator(check_broker_url)] = None
    redis_url: Annotated[SecretStr | None, AfterValidator(check_redis_url)] = None
    smtp_url: Annotated[SecretStr | None, AfterValidator(check_smtp_url)] = None
    public_url: Annotated[str, AfterValidator(check_public_url)] = "http://127.0.0.1:8090"
    server_name: ServerName = "guichet.localhost"
    server_aliases: ServerNames = ()
    secret_keys: Keys = ()  # oldest first; the last one is in use
    storage_keys: Keys = ()
    homeserver_keys: Secrets = ()  # for the worker only, see keys/process_keys.py
    homeserver_public_key: SecretStr | None = None
    mail_from: Annotated[str, AfterValidator(read_mailbox)] = "Guichet <bonjour@guichet.localhost>"
    mail_reply_to: Annotated[str, AfterValidator(read_mailbox)] | None = None
    mail_bounce_domain: Annotated[str, AfterValidator(read_mail_domain)] | None = None
    internal_listen: Annotated[str, AfterValidator(check_listen)] = "127.0.0.1:8091"
    worker_metrics_listen: Annotated[str, AfterValidator(check_port)] = "127.0.0.1:8092"
    internal_networks: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    internal_hosts: Hosts = ()  # empty: the listener's own address and loopback
    protected_networks: Networks = ()
    trusted_proxies: Annotated[Proxies, AfterValidator(check_trusted)] = ()
    proxy_header: Header = "x-forwarded-for"
    shared_networks: Networks = ()
    info_person_level: Literal["off", "authenticated", "legacy"] = "off"
    client_url: Annotated[str, AfterValidator(check_template)] = "https://app.element.io"
    phone_url: Annotated[str, AfterValidator(check_template)] | None = None
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
    support_url: Annotated[str, AfterValidator(check_support_url)] | None = None
    time_zone: TimeZone = ZoneInfo("Europe/Paris")
    web_threads: Annotated[int, Field(ge=1, le=64)] = (
        8  # requests at once, in each process of the web
    )
    log_format: Literal["json", "text"] | None = None  # None: text on a terminal, else JSON
    erasure_log: Path | None = None
    console: Literal["on", "off"] = "on"
    console_url: Annotated[str, AfterValidator(check_public_url)] | None = None  # None: public_url
    console_networks: Networks = ()  # empty: from everywhere; of a trial installation: loopback
    approvals: Literal["one", "two"] | None = None  # None: two, or one in a trial installation
    # Invitations by list a day, of all people of one organisation together.
    list_quota: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    domain_request_days: Annotated[int, Field(ge=1, le=90)] = 5  # working days until a decision
    sso_issuer: Annotated[str, AfterValidator(check_issuer)] | None = None  # None: no provider
    sso_client_id: str | None = None
    sso_client_secret: SecretStr | None = None
    sso_label: Annotated[str, Field(max_length=40), AfterValidator(check_name)] = ""
    sso_scopes: Annotated[Names, AfterValidator(check_scopes)] = ("openid", "profile", "email")
    sso_role_claim: Annotated[str, AfterValidator(check_claim)] | None = None
    sso_roles: RoleRules = ()
    sso_acr: Names = ()  # values of `acr` that stand for two factors
    sso_pkce: Literal["on", "off"] = "on"
    sso_userinfo: Literal["off", "json", "jwt"] = "off"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = find_env_file()
        # Whatever folder a command is started in, its `.env` does not mix with production.
        from_file = dotenv_settings if file is None else EnvFile(settings_cls, file)
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls, env_settings),
            from_file,
            SecretFiles(settings_cls, from_file),
        )

    @model_validator(mode="before")
    @classmethod
    def empty_is_unset(cls, given: Any) -> Any:
        """Treat an empty variable as unset, except those of listeners: it switches them off."""
        if not isinstance(given, dict):
            return given
        return {k: v for k, v in given.items() if v != "" or k in CAN_BE_EMPTY}

    @field_validator(
        "database_url",
        "broker_url",
        "redis_url",
        "smtp_url",
        "public_url",
        "console_url",
        "server_name",
        "internal_listen",
        "templates_dir",
        "terms_file",
        "data_dir",
        "erasure_log",
        "next_link_hosts",
        "server_aliases",
        "sso_issuer",
        "sso_client_id",
        "sso_client_secret",
        "sso_role_claim",
        "sso_roles",
        mode="before",
    )
    @classmethod
    def one_line(cls, given: object) -> object:
        return check_one_line(given)

    @model_validator(mode="after")
    def keys_are_two(self) -> Self:
        """Links and secrets have keys of their own: who reads one set must not have the other."""
        if self.secret_keys and self.storage_keys and self.secret_keys[-1] == self.storage_keys[-1]:
            raise ValueError(
                "GUICHET_STORAGE_KEYS: its last key is the last one of GUICHET_SECRET_KEYS; "
                f"add another to it, for example {new_secret()}"
            )
        return self

    @model_validator(mode="after")
    def mail_reaches_people(self) -> Self:
        """Require a relay unless the service is local: without one, mails stay in a folder."""
        if self.smtp_url is None and not self.is_local:
            raise ValueError(
                "GUICHET_SMTP_URL is needed when GUICHET_PUBLIC_URL or GUICHET_CONSOLE_URL is not loopback, "
                "for example smtp://relay.example.org:587?tls=starttls"
            )
        return self

    @model_validator(mode="after")
    def sso_is_whole(self) -> Self:
        """An OpenID provider knows us by an id and a secret; roles need a claim to stand in."""
        rest = ("client_id", "client_secret", "label", "role_claim", "roles", "acr")
        given = [name for name in rest if getattr(self, f"sso_{name}")]
        if given and not self.sso_issuer:
            raise ValueError(
                f"GUICHET_SSO_ISSUER is needed beside GUICHET_SSO_{given[0].upper()}, "
                "for example https://sso.example.org/realms/ops"
            )
        if self.sso_issuer and not (self.sso_client_id and self.sso_client_secret):
            raise ValueError(
                "GUICHET_SSO_CLIENT_ID and GUICHET_SSO_CLIENT_SECRET are needed beside "
                "GUICHET_SSO_ISSUER: the provider knows this service by them"
            )
        if bool(self.sso_role_claim) != bool(self.sso_roles):
            raise ValueError(
                "GUICHET_SSO_ROLE_CLAIM and GUICHET_SSO_ROLES go together, for example groups and "
                "ops-appr=approver@education.example"
            )
        return self

    @property
    def sso_name(self) -> str:
        """How the OpenID provider is called on pages; empty without one."""
        return self.sso_label or urlsplit(self.sso_issuer or "").hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether people and operators reach this service only on the machine it runs on."""
        origins = (self.public_url, self.console_origin)
        return all(is_loopback(urlsplit(each).hostname) for each in origins)

    @property
    def console_origin(self) -> str:
        """Where operators reach the console and its API, as links to them begin."""
        return self.console_url or self.public_url

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
    def erasure_log_file(self) -> Path:
        """The file that tells who was erased, by keyed hash: see people/erasure_log.py."""
        return self.erasure_log or self.data_dir / "erasures.jsonl"

    @property
    def mail_dir(self) -> Path:
        return self.data_dir / "mail"


class WrongSettings(Exception):
    """Some settings cannot be used. The message names each variable and its fault."""


def read_settings(**overrides: Any) -> Settings:
    """Read the environment, and the file of production or `.env`.

    Raises WrongSettings with all faults.
    """
    try:
        if find_env_file() is not None:
            overrides["_env_file"] = None  # nor is it looked for: the folder may be closed to us
        settings = Settings(**overrides)
        _check_production(settings)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = f"{PREFIX}{fault['loc'][0]}".upper() if fault["loc"] else ""
            lines.append(
                ": ".join(filter(None, (name, fault["msg"].removeprefix("Value error, "))))
            )
        raise WrongSettings("\n".join(lines)) from None
    except (WrongEnvFile, UnreadableSecret) as error:
        raise WrongSettings(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise WrongSettings(f"{Path('.env').absolute()} cannot be read: {why}") from None
    return settings


def _check_production(settings: Settings) -> None:
    """Whoever starts a command gets the database of production, or a sentence."""
    file = find_env_file()
    if file is not None and settings.database.startswith("sqlite"):
        named = "is that of SQLite" if settings.database_url else "is not set"
        raise WrongSettings(
            f"GUICHET_DATABASE_URL {named}, but {file} holds the settings of production, which "
            "need PostgreSQL, for example postgresql+psycopg://guichet@/guichet?host=/run/postgresql "
            f"(to try Guichet out beside it, set {VARIABLE} to nothing)"
        )
