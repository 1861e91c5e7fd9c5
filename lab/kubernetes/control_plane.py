"""A Kubernetes control plane on free loopback ports, with its own folder; it ends with the process that starts it.

The API server, the controller manager, the scheduler and etcd are the real programs. kwok simulates nodes and pods:
they become Ready, but run nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Self

from alertdrill.lab.kubernetes.api import KubernetesApi
from alertdrill.lab.kubernetes.files import node, write_kubeconfig, write_stages, write_tokens
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_kubernetes, kwok_stages
from alertdrill.lab.reaper import Reaper
from alertdrill.lab.server import Server, Spec

# Many times the usual time, for busy machines.
_READY_WITHIN_SECONDS = 180.0
_SERVICES = ("etcd", "etcd-peers", "kube-apiserver", "state-metrics")


class ControlPlane:
    """The servers, while the context lasts; `kubeconfig` has the API server's address and an administrator's token."""

    def __init__(self, nodes: int = 2) -> None:
        self._node_names = [f"node-{number}" for number in range(1, nodes + 1)]
        self.servers: dict[str, Server] = {}

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig file of an administrator."""
        return self.directory / "admin.kubeconfig"

    @property
    def authority(self) -> Path:
        """The certificate file of the API server."""
        return self.directory / "certificates" / "apiserver.crt"

    @property
    def url(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self._ports['kube-apiserver']}"

    @property
    def metrics_url(self) -> str:
        """The URL of the metrics about its objects, with the names of kube-state-metrics."""
        return f"http://127.0.0.1:{self._ports['state-metrics']}/metrics"

    async def __aenter__(self) -> Self:
        self._programs = find_kubernetes()
        self._ports = dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True))
        self.directory = Path(tempfile.mkdtemp(prefix="alertdrill-kubernetes-"))
        self._reaper = Reaper(self.directory)
        try:
            await self._start_all()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def start_api_server(self) -> None:
        """Start the API server; also to start it again on the same port after it ended."""
        # It writes its certificate before it opens its port, so the kubeconfig works as soon as it is ready.
        self._start("kube-apiserver", *self._api_server_flags(), port=self._ports["kube-apiserver"])
        await self.servers["kube-apiserver"].wait_ready()
        async with KubernetesApi(self.kubeconfig) as api:
            await api.until("/readyz", _READY_WITHIN_SECONDS)

    async def _start_all(self) -> None:
        tokens = write_tokens(self.directory / "tokens.csv")
        await self._make_key()
        for user, token in tokens.items():
            write_kubeconfig(self._kubeconfig(user), self.url, self.authority, token)
        self._start("etcd", *self._etcd_flags(), port=self._ports["etcd"])
        await self.servers["etcd"].wait_ready()
        await self.start_api_server()
        self._start_controllers()
        async with KubernetesApi(self.kubeconfig) as api:
            for name in self._node_names:
                await api.create("/api/v1/nodes", node(name))
            await api.until("/api/v1/namespaces/default/serviceaccounts/default", _READY_WITHIN_SECONDS)
        await self._start_state_metrics()

    async def _start_state_metrics(self) -> None:
        port = self._ports["state-metrics"]
        module = [sys.executable, "-P", "-m", "alertdrill.lab.kubernetes.state_metrics"]
        command = [*module, "--kubeconfig", str(self.kubeconfig), "--listen", f"127.0.0.1:{port}"]
        environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
        spec = Spec("state-metrics", command, port, health="/metrics", environment=environment)
        self.servers["state-metrics"] = Server(spec, self.directory, self._programs["setpriv"])
        await self.servers["state-metrics"].wait_ready()

    def _start_controllers(self) -> None:
        # By default a controller sends 20 requests a second, which for thousands of pods takes minutes.
        unthrottled = ("--kube-api-qps=1000", "--kube-api-burst=2000")
        common = ("--leader-elect=false", "--secure-port=0", *unthrottled)
        manager = f"--kubeconfig={self._kubeconfig('system:kube-controller-manager')}"
        credentials = ("--use-service-account-credentials", f"--root-ca-file={self.authority}")
        # By default a node is NotReady after 50 s without a heartbeat, which on a busy machine may come late.
        patience = "--node-monitor-grace-period=10m"
        self._start("kube-controller-manager", manager, *credentials, patience, *common)
        self._start("kube-scheduler", f"--kubeconfig={self._kubeconfig('system:kube-scheduler')}", *common)
        lease = "--node-lease-duration-seconds=40"
        configs = [f"--config={path}" for path in write_stages(self.directory, kwok_stages())]
        self._start("kwok", f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes=true", lease, *configs)

    async def _make_key(self) -> None:
        """Make the key that signs the tokens of service accounts."""
        out = str(self.directory / "service-accounts.key")
        command = [str(self._programs["openssl"]), "genpkey", "-algorithm", "RSA", "-out", out, "-quiet"]
        openssl = Server(Spec("openssl", command, 0), self.directory, self._programs["setpriv"])
        try:
            await openssl.finished()
        finally:
            await openssl.stop()

    def _etcd_flags(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "etcd-peers"))
        return [
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
            # The data does not have to survive a crash of the machine.
            "--unsafe-no-fsync",
        ]

    def _api_server_flags(self) -> list[str]:
        key = self.directory / "service-accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports['kube-apiserver']}",
            f"--cert-dir={self.directory / 'certificates'}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
        ]

    def _kubeconfig(self, user: str) -> Path:
        return self.directory / f"{user.removeprefix('system:')}.kubeconfig"

    def _start(self, name: str, *flags: str, port: int = 0) -> None:
        spec = Spec(name, [str(self._programs[name]), *flags], port)
        self.servers[name] = Server(spec, self.directory, self._programs["setpriv"])

    async def _end(self) -> None:
        # The controllers first: without an API server they would wait for it.
        for server in reversed(self.servers.values()):
            server.kill()
        await self._reaper.reaped()
