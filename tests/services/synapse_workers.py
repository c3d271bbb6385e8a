"""A homeserver in worker mode, as large ones run: a main process and a worker, on PostgreSQL and Redis."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

from .certificates import Authority
from .children import Child
from .guichet_synapse import GuichetHomeserver
from .postgresql import PostgreSQLServer
from .synapse import PYTHON
from .waiting import LOOPBACK, free_port


class WorkerHomeserver(GuichetHomeserver):
    """`url` is the main process, `worker_url` the worker: both take the requests of clients."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        server: PostgreSQLServer,
        redis: str,
        **how: Any,
    ) -> None:
        self._replication_port, self._worker_port = free_port(), free_port()
        self._worker: Child | None = None
        self.worker_url = f"http://{LOOPBACK}:{self._worker_port}"
        self._shared = {
            "database": {
                "name": "psycopg2",
                "allow_unsafe_locale": True,
                "args": {
                    "user": "postgres",
                    "host": LOOPBACK,
                    "port": server.port,
                    "dbname": server.create_database(),
                },
            },
            "redis": {"enabled": True, "host": LOOPBACK, "port": urlsplit(redis).port},
            "worker_replication_secret": "replication-of-the-tests",
            "instance_map": {"main": {"host": LOOPBACK, "port": self._replication_port}},
        }
        super().__init__(folder, authority, **how)
        self._write("worker.yaml", self._worker_settings())
        self._write("worker-log.yaml", self._worker_logging())

    @property
    def worker_log(self) -> str:
        return (self.folder / "worker.log").read_text(encoding="utf-8")

    def start(self) -> None:
        super().start()
        self._worker = Child(
            [
                *(str(PYTHON), "-m", "synapse.app.generic_worker"),
                *("-c", str(self.config), "-c", str(self.folder / "worker.yaml")),
            ],
            log=self.folder / "worker-output.log",
            env=self._environment(),
            cwd=self.folder,
        )
        self._worker.wait_until(self._worker_answers, what="the worker answers", within=120)

    def kill(self) -> None:
        if self._worker:
            self._worker.kill()
        super().kill()

    def end(self) -> None:
        if self._worker:
            self._worker.end()
        super().end()

    def _environment(self) -> dict[str, str]:
        # Only the module's own `ca_file` says whom to trust.
        inherited = super()._environment()
        return {name: value for name, value in inherited.items() if name != "SSL_CERT_FILE"}

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        replication = {
            "port": self._replication_port,
            "type": "http",
            "bind_addresses": [LOOPBACK],
            "resources": [{"names": ["replication"]}],
        }
        listeners = [*settings["listeners"], replication]
        return settings | self._shared | {"listeners": listeners}

    def _worker_settings(self) -> dict[str, Any]:
        listener = {
            "port": self._worker_port,
            "type": "http",
            "bind_addresses": [LOOPBACK],
            "resources": [{"names": ["client", "federation"]}],
        }
        return {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": "worker",
            "worker_log_config": str(self.folder / "worker-log.yaml"),
            "worker_listeners": [listener],
        }

    def _worker_logging(self) -> dict[str, Any]:
        logging = self._logging()
        logging["handlers"]["file"]["filename"] = str(self.folder / "worker.log")
        return logging

    def _write(self, name: str, settings: dict[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _worker_answers(self) -> bool:
        try:
            return requests.get(f"{self.worker_url}/health", timeout=2).ok
        except requests.RequestException:
            return False
