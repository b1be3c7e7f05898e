"""A real Kubernetes API with its controllers, and what a node would do about pods and claims.

No container runs: a thread says of each pod that it is ready, and gives each claim a volume, as a kubelet and a storage
driver would. What may change, what is replaced and what is deleted is Kubernetes' own answer.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from tests.conftest import find_program
from tests.running.waiting import PATIENCE, wait_until
from tests_deploy.conftest import ROOT, tool
from tests_deploy.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT = ROOT / ".cache" / "kubernetes"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
TOKEN = "admin"
"""Of a server that lives for one test run, on loopback."""
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{url}", certificate-authority: "{authority}"}}}}]
users: [{{name: admin, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]
current-context: test
"""
STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "growing", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "test/played",
    "allowVolumeExpansion": True,
}


def programs() -> Path:
    """The folder with the programs: KUBEBUILDER_ASSETS, else what scripts/kubernetes-api.sh built."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or BUILT)
    assert all((folder / name).exists() for name in PROGRAMS), f"run make upgrade-test: no API server in {folder}"
    return folder


class Cluster:
    """The API of a running server."""

    def __init__(self, url: str, authority: Path, kubeconfig: Path) -> None:
        self.url, self.kubeconfig = url, kubeconfig
        context = ssl.create_default_context(cafile=str(authority))
        self.node = threading.Lock()
        """Who holds it stops the node: no pod becomes ready."""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
        )

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request; returns the decoded answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with self._opener.open(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """kubectl or helm at this server; the caller looks at the exit code."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(
            [tool(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=2 * PATIENCE,
        )

    def items(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """The objects of a kind in a namespace."""
        done = self.run("kubectl", "get", kind, "--namespace", namespace, "--output", "json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
        return found

    def knows(self, field: str) -> bool:
        """Whether the server's version has a field, such as `statefulset.spec.replicas`."""
        return self.run("kubectl", "explain", field).returncode == 0

    def has(self, version: str) -> bool:
        """Whether the server has a version of an API group."""
        done = self.run("kubectl", "api-versions")
        assert done.returncode == 0, done.stderr
        return version in done.stdout.splitlines()

    def play_node(self) -> None:
        """Make waiting pods ready, and give waiting claims a volume, once."""
        with self.node:
            self._ready_pods()
            self._bind_claims()

    def _ready_pods(self) -> None:
        for pod in self.call("GET", "/api/v1/pods")["items"]:
            at = pod["metadata"]
            if pod["status"].get("phase") != "Running" and "deletionTimestamp" not in at:
                ready = [{"type": "Ready", "status": "True"}]
                path = f"/api/v1/namespaces/{at['namespace']}/pods/{at['name']}/status"
                body = {"status": {"phase": "Running", "conditions": ready}}
                self.call("PATCH", path, body, "application/merge-patch+json")

    def _bind_claims(self) -> None:
        for claim in self.call("GET", "/api/v1/persistentvolumeclaims")["items"]:
            at, spec = claim["metadata"], claim["spec"]
            if claim["status"].get("phase") == "Pending" and "volumeName" not in spec:
                self._provide(at, spec)

    def _provide(self, at: dict[str, Any], spec: dict[str, Any]) -> None:
        volume = {
            "metadata": {"name": f"volume-{at['uid']}"},
            "spec": {
                "accessModes": spec["accessModes"],
                "capacity": {"storage": "100Gi"},
                "hostPath": {"path": "/nowhere"},
                "storageClassName": spec["storageClassName"],
                "claimRef": {"namespace": at["namespace"], "name": at["name"], "uid": at["uid"]},
            },
        }
        try:
            self.call("POST", "/api/v1/persistentvolumes", volume)
        except HTTPError as error:
            if error.code != 409:  # made in the round before, and not bound yet
                raise


@contextmanager
def cluster(folder: Path, programs: Path) -> Iterator[Cluster]:
    """A server with its data in `folder`."""
    secure, store, peers = free_port(), free_port(), free_port()
    etcd, url = f"http://127.0.0.1:{store}", f"https://127.0.0.1:{secure}"
    key, tokens, kubeconfig = folder / "sa.key", folder / "tokens.csv", folder / "kubeconfig"
    subprocess.run([find_program("openssl"), "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    tokens.write_text(f"{TOKEN},admin,admin,system:masters\n", encoding="utf-8")
    authority = folder / "certificates" / "apiserver.crt"
    kubeconfig.write_text(KUBECONFIG.format(url=url, authority=authority, token=TOKEN), encoding="utf-8")
    api = [
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={secure}",
        f"--cert-dir={authority.parent}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://test",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
    ]
    controllers = [
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={key}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        "--controllers=*,-ttl,-nodelifecycle,-nodeipam,-cloud-node-lifecycle",
    ]
    data = [f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"]
    data += [f"--listen-peer-urls=http://127.0.0.1:{peers}", "--unsafe-no-fsync"]
    with ExitStack() as stack:
        stack.enter_context(_process([programs / "etcd", *data], folder / "etcd.log"))
        server = stack.enter_context(_process([programs / "kube-apiserver", *api], folder / "api.log"))
        made = wait_until(lambda: _ready(server, url, authority, kubeconfig), 5 * PATIENCE, 0.2, why="the API server")
        assert made is not None
        stack.enter_context(_process([programs / "kube-controller-manager", *controllers], folder / "controllers.log"))
        made.call("POST", "/apis/storage.k8s.io/v1/storageclasses", STORAGE)
        stack.enter_context(_node(made))
        yield made


def _ready(server: subprocess.Popen[bytes], url: str, authority: Path, kubeconfig: Path) -> Cluster | None:
    """The cluster once the server answers; it writes its certificate on the way, which then can be there by half."""
    assert server.poll() is None, "the API server ended"
    try:
        made = Cluster(url, authority, kubeconfig)
        made.call("GET", "/api/v1/namespaces/default")
    except HTTPError as error:  # not done with its first objects
        error.close()
        return None
    except (OSError, ValueError):  # no certificate yet, or not listening
        return None
    return made


@contextmanager
def _process(command: list[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _node(made: Cluster) -> Iterator[None]:
    """The node's part, played until the end; its errors are those of the test."""
    ended, errors = threading.Event(), list[Exception]()

    def play() -> None:
        while not ended.is_set():
            try:
                made.play_node()
            except HTTPError as error:
                if error.code not in {404, 409}:  # it was deleted or changed in between
                    errors.append(error)
            except Exception as error:  # noqa: BLE001  told at the end
                errors.append(error)
            ended.wait(0.1)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert errors == []
