"""What would be dangerous stops every start, with the name of the setting and an example."""

import pytest

from identity.operators.roles import Role
from identity.settings import WrongSettings, read_settings
from identity.sso_settings import ROLES, RoleRule

GOOD, OTHER = "a-key-of-the-tests-that-is-long-enough", "another-one-of-them-and-long-enough"
RELAY = {"smtp_url": "smtp://relay.example.org"}
REFUSED = [
    ("secret_keys", "short"),
    ("secret_keys", f"{GOOD},{'a' * 40}"),
    ("secret_keys", f"{GOOD}\n{OTHER}"),
    ("storage_keys", f"{GOOD},{GOOD[:31]}"),
    ("public_url", "http://guichet.example.org"),
    ("public_url", "http://10.0.0.5:8090"),
    ("public_url", "https://guichet.example.org:99999"),
    ("public_url", "https://guichet.example.org:0"),
    ("public_url", "https://guichet.example.org:x"),
    ("public_url", "https://me:password@guichet.example.org"),
    ("public_url", "https://guichet.example.org\n"),
    ("public_url", "javascript:alert(1)"),
    *(
        ("public_url", f"https://{rest}")
        for rest in (
            *(
                "guichet.example.org#x",
                "guichet.example.org/#",
                "guichet.example.org?",
                "@a.example",
            ),
            *("guichet..example.org", "-guichet.example.org", "a b.example", ".", "<b>.example"),
            *(
                "guichet.example.org;x",
                "a.example,b.example",
                "guichet%2eexample.org",
                "[::1",
                "[x]",
            ),
            *(
                "guichet.example.org\\x",
                "guichet.example.org.",
                f"{'a' * 64}.org",
                "0.0.0.0",
                "[::]",
            ),
            *(f"{'a.' * 130}org", "10.0.0.256", "a.example\u200b.", "guichet.example.org//"),
        )
    ),
    ("secret_keys", "0123456789" * 4),
    ("secret_keys", GOOD[:16] * 2),
    ("support_url", "javascript:alert(1)"),
    *(
        (name, f"https://{rest}")
        for name in ("support_url", "client_url", "phone_url")
        for rest in (
            *("me:password@example.org", "example.org\\@evil.example", 'example.org/"onclick=x'),
            *("example.org/<script>", "a..b", "exa%20mple.org", "0.0.0.0", "[::1", "-a.example"),
        )
    ),
    *(
        ("support_url", f"mailto:{rest}")
        for rest in (
            "@",
            "a@",
            "@example.org",
            "a@b..example",
            "a@b.example,x",
            "x%0aBcc:a@b.example",
        )
    ),
    ("support_url", "JavaScript:alert(1)//https://example.org"),
    ("support_url", "data:text/html,x"),
    ("support_url", "help@example.org"),
    ("support_url", "mailto:nobody"),
    ("support_url", "https://"),
    ("support_url", "https://example.org/a b"),
    ("support_url", "https://example.org\n/x"),
    ("client_url", "javascript:alert(1)"),
    ("client_url", "vbscript:x"),
    ("client_url", "//app.example.org"),
    ("client_url", "https://app.example.org:123456"),
    ("client_url", "https://app.example.org/?user={name}"),
    ("phone_url", "https://{server_name}/"),
    ("phone_url", "tel:+33100000000"),
    ("server_name", "https://guichet.example.org"),
    ("server_name", "guichet example"),
    ("server_name", "guichet_example.org"),
    ("server_name", "accueil.académie.example"),
    ("server_name", "guichet.example.org:0"),
    ("server_name", "guichet.example.org:70000"),
    ("server_name", ".example.org"),
    ("server_name", "a-.example"),
    ("server_name", "10.0.0.256"),
    ("server_name", "[:::::]"),
    ("server_name", "[10.0.0.1]"),
    ("server_name", f"{'a' * 64}.example"),
    ("server_name", "a..example"),
    ("server_name", "@ana:example.org"),
    ("server_aliases", "guichet.example.org,https://other.example"),
    ("database_url", "mysql://guichet@host/guichet"),
    ("database_url", "postgres://guichet@host/guichet"),
    ("database_url", "postgresql+psycopg2://guichet@host/guichet"),
    ("database_url", "postgresql+asyncpg://guichet@host/guichet"),
    ("database_url", "nonsense"),
    ("database_url", "postgresql://host:port/guichet"),
    ("database_url", "postgresql://host:99999/guichet"),
    ("database_url", "postgresql://host:0/guichet"),
    ("database_url", "postgresql://a host/guichet"),
    ("database_url", "postgresql://guichet@host/guichet?sslmode=verifyfull"),
    ("database_url", "postgresql://guichet@host/guichet?ssl_mode=require"),
    ("broker_url", "127.0.0.1:6379"),
    ("broker_url", "redis://exa mple/0"),
    ("broker_url", "redis://host?db=1"),
    ("broker_url", "redis://host/0?socket_timeout=100"),
    ("broker_url", "redis://host/0?ssl_cert_reqs=none"),
    ("broker_url", "redis+socket:///run/redis.sock?virtual_host=x"),
    ("redis_url", "redis://host/0?socket_timeout=abc"),
    ("redis_url", "redis://host/0?socket_connect_timeout=100"),
    ("redis_url", "redis://host/0?health_check_interval=x"),
    ("redis_url", "unix:///run/redis.sock?db=abc"),
    ("redis_url", "redis://host/0?virtual_host=1"),
    ("redis_url", "redis://[::1/0"),
    ("broker_url", "http://127.0.0.1:6379/0"),
    ("broker_url", "redis://"),
    ("broker_url", "redis://127.0.0.1:port/0"),
    ("broker_url", "redis://127.0.0.1:6379/zero"),
    ("broker_url", "redis://127.0.0.1:6379/٣"),
    ("redis_url", "amqp://127.0.0.1"),
    ("redis_url", "unix://"),
    ("redis_url", "redis://127.0.0.1:6379/0\n"),
    ("trusted_proxies", "0.0.0.0/0"),
    ("trusted_proxies", "::/0"),
    ("trusted_proxies", "127.0.0.1,0.0.0.0/1,128.0.0.0/1"),
    ("trusted_proxies", "unix,2000::/3"),
    ("trusted_proxies", ",".join(f"{first}.0.0.0/8" for first in range(12, 120, 2))),
    ("trusted_proxies", "2001::/16,2a00::/16"),
    ("trusted_proxies", "10.0.0.0/33"),
    ("trusted_proxies", "proxy.example"),
    ("trusted_proxies", "1٠.0.0.0/8"),
    ("internal_listen", "127.0.0.1:99999"),
    ("internal_listen", "127.0.0.1:0"),
    ("internal_listen", "127.0.0.1:http"),
    ("internal_listen", "a host:8091"),
    ("internal_listen", "me@127.0.0.1:8091"),
    ("internal_listen", "127.0.0.1:8091?x"),
    ("internal_listen", "127.0.0.1:8091#x"),
    ("internal_listen", "*:8091"),
    ("internal_listen", "[::1:8091"),
    ("worker_metrics_listen", "127.0.0.256:8092"),
    ("mail_from", "bonjour@-académie.example"),
    ("mail_from", "bonjour@aca_demie.example"),
    ("mail_reply_to", "aide@académie..example"),
    ("smtp_url", "smtp://relay.example.org:port"),
    ("smtp_url", "smtp://relay.example.org:70000"),
    ("smtp_url", "relay.example.org"),
    ("smtp_url", "smtp://a relay"),
    ("smtp_url", "smtp://relay..example.org"),
    ("smtp_url", "smtp://one.example,two.example"),
    ("smtp_url", "smtp://[::1"),
    ("next_link_hosts", "a.example\nb.example"),
    ("erasure_log", "/var/lib/guichet/erasures\n.jsonl"),
]
TAKEN = [
    ("secret_keys", f"too-short-but-old,{GOOD}"),
    ("public_url", "http://127.0.0.1:8090"),
    ("public_url", "http://[::1]:8090"),
    ("public_url", "https://accueil.académie.example"),
    ("public_url", "https://guichet_test.example:8443/"),
    ("public_url", "https://[2001:db8::1]:8443"),
    ("support_url", "mailto:help@example.org"),
    ("support_url", "mailto:help@example.org,it@académie.example?subject=Guichet"),
    ("support_url", "https://aide.académie.example/guichet?a=b#c"),
    ("internal_listen", "0.0.0.0:8091"),
    ("internal_listen", "[::]:8091"),
    ("internal_listen", "internal_listener:8091"),
    ("database_url", "postgresql://guichet:p%3Fass@db_1.example./guichet?sslmode=verify-full"),
    ("database_url", "postgresql://guichet@/guichet?host=a.example:1&host=b.example:2"),
    ("database_url", "postgresql://guichet@one,two/guichet?target_session_attrs=read-write"),
    ("redis_url", "redis://redis_1:6379/0?health_check_interval=30"),
    ("trusted_proxies", "10.0.0.0/8,172.16.0.0/12,12.0.0.0/8"),
    ("support_url", "HTTPS://example.org/help"),
    ("client_url", "http://127.0.0.1:8080/#/login"),
    ("client_url", "https://app.example.org/?hs={homeserver_url}#/room/{room_id}"),
    ("phone_url", "https://m.example.org/?server={server_name}&login_hint=mxid:{user_id}"),
    ("server_name", "guichet.example.org:8448"),
    ("server_name", "10.0.0.5:8090"),
    ("server_name", "[2001:db8::1]:8448"),
    ("server_aliases", "a.example,b.example:8448"),
    ("database_url", "postgresql://guichet@host/guichet"),
    ("database_url", "sqlite:////var/lib/guichet/guichet.db"),
    ("broker_url", "rediss://:password@redis.example:6379/0?ssl_cert_reqs=required"),
    ("broker_url", "redis+socket:///run/redis/redis.sock?virtual_host=0"),
    ("broker_url", "amqp://guichet:password@rabbit.example//"),
    ("redis_url", "unix:///run/redis/redis.sock?db=1"),
    ("trusted_proxies", "unix,10.0.0.0/8,fc00::/7,192.0.2.0/24"),
    ("mail_from", "bonjour@académie.example"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_it_is_refused_by_its_name_with_an_example(name, value):
    with pytest.raises(WrongSettings) as raised:
        read_settings(_env_file=None, **(RELAY | {name: value}))
    told = str(raised.value)
    assert told.startswith(f"GUICHET_{name.upper()}: ")
    assert "\n" not in told
    assert "Traceback" not in told
    if name.endswith("_keys"):
        assert not any(key in told for key in value.split(","))


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_what_is_right_is_taken(name, value):
    assert getattr(read_settings(_env_file=None, **(RELAY | {name: value})), name)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("HTTPS://Guichet.Example.ORG/", "https://guichet.example.org"),
        ("https://guichet.example.org:", "https://guichet.example.org"),
        ("https://guichet.example.org:8443/", "https://guichet.example.org:8443"),
        ("http://[::1]:8090", "http://[::1]:8090"),
        ("https://Accueil.académie.example", "https://accueil.xn--acadmie-eya.example"),
    ],
)
def test_the_public_url_is_written_as_browsers_write_it(given, meant):
    assert read_settings(_env_file=None, **(RELAY | {"public_url": given})).public_url == meant


def test_links_and_secrets_do_not_share_the_key_in_use():
    other = OTHER
    with pytest.raises(
        WrongSettings, match=r"GUICHET_STORAGE_KEYS: .*GUICHET_SECRET_KEYS"
    ) as raised:
        read_settings(_env_file=None, secret_keys=GOOD, storage_keys=f"{other},{GOOD}")
    assert GOOD not in str(raised.value)
    # Who has shared one so far can change that while Guichet runs.
    read_settings(_env_file=None, secret_keys=f"{GOOD},{other}", storage_keys=GOOD)


def test_the_password_of_a_wrong_url_is_not_shown():
    for name in ("database_url", "broker_url", "redis_url", "smtp_url"):
        with pytest.raises(WrongSettings) as raised:
            read_settings(_env_file=None, **{name: "hunter2:hunter2@host:hunter2"})
        assert "hunter2" not in str(raised.value)


SSO = {
    "sso_issuer": "https://sso.example.org/realms/ops",
    "sso_client_id": "guichet",
    "sso_client_secret": "a secret",
}


def test_roles_of_the_openid_provider_are_read_with_their_scopes():
    settings = read_settings(
        **SSO,
        sso_role_claim="realm_access.roles",
        sso_roles="a=b=approver@edu.example:8448, ops=admin, r=viewer@organisation:Académie de Rouen",
    )
    assert settings.sso_roles == (
        RoleRule("a=b", "approver", homeserver="edu.example:8448"),
        RoleRule("ops", "admin"),
        RoleRule("r", "viewer", organisation="Académie de Rouen"),
    )
    assert settings.sso_name == "sso.example.org"


def test_the_settings_know_the_roles_that_there_are():
    assert set(ROLES) == set(Role)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sso_issuer": "http://sso.example.org"}, "GUICHET_SSO_ISSUER"),
        ({"sso_issuer": "https://sso.example.org/?x=1"}, "GUICHET_SSO_ISSUER"),
        ({"sso_issuer": None}, "GUICHET_SSO_ISSUER"),
        ({"sso_client_secret": None}, "GUICHET_SSO_CLIENT_SECRET"),
        ({"sso_scopes": "profile email"}, "GUICHET_SSO_SCOPES"),
        ({"sso_role_claim": "groups"}, "GUICHET_SSO_ROLES"),
        ({"sso_roles": "ops=admin"}, "GUICHET_SSO_ROLE_CLAIM"),
        ({"sso_role_claim": "groups", "sso_roles": "ops=king"}, "GUICHET_SSO_ROLES"),
        ({"sso_role_claim": "groups", "sso_roles": "ops=admin@edu.example"}, "GUICHET_SSO_ROLES"),
        ({"sso_role_claim": "groups", "sso_roles": "a=editor@organisation: "}, "GUICHET_SSO_ROLES"),
        ({"sso_role_claim": "a b", "sso_roles": "ops=admin"}, "GUICHET_SSO_ROLE_CLAIM"),
    ],
)
def test_an_openid_provider_that_cannot_be_used_stops_the_start(given, named):
    asked = {name: value for name, value in {**SSO, **given}.items() if value is not None}
    with pytest.raises(WrongSettings) as wrong:
        read_settings(**asked)
    assert named in str(wrong.value)
    assert "a secret" not in str(wrong.value)
