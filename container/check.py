"""Compares Dockerfile, docker-compose.yaml and nix/image.nix. Prints each difference, and exits with 1 if there is one."""

import json
import re
import sys

import yaml

faults = []


def must(holds, what):
    if not holds:
        faults.append(what)


dockerfile = open("Dockerfile").read().replace("\\\n", " ")
stages = re.split(r"^FROM ", dockerfile, flags=re.M)[1:]
last = stages[-1]
must(last.startswith("scratch"), "Dockerfile: the last stage is not `FROM scratch`")
must("RUN" not in last, "Dockerfile: the last stage has a RUN, but no shell")
for stage in stages[:-1]:
    must(re.match(r"[a-z/]+:\d+\.\d+", stage), "Dockerfile: a base image without a version")
must("--mount=type=cache" in stages[0], "Dockerfile: cargo has no cache")


def of(key):
    """Returns the arguments of an instruction of the last stage, as text."""
    found = re.search(rf"^{key} (.*)$", last, flags=re.M)
    return found.group(1).strip() if found else ""


image = open("nix/image.nix").read()


def nix_list(key):
    return re.findall(r'"([^"]*)"', re.search(rf"\b{key} = \[(.*?)\];", image, flags=re.S).group(1))


uid = re.search(r'uid = "(\d+)"', image).group(1)
must(of("USER") == f"{uid}:{uid}", "the user differs between Dockerfile and nix/image.nix")
must(json.loads(of("ENTRYPOINT")) == nix_list("Entrypoint"), "the entry point differs")
must(sorted(of("ENV").split()) == sorted(nix_list("Env")), "the environment differs")
test = json.loads(re.search(r"\[.*\]", of("HEALTHCHECK")).group())
must(["CMD", *test] == nix_list("Test"), "the health check differs")
must(of("WORKDIR") in image, "the working folder differs")

compose = yaml.safe_load(open("docker-compose.yaml"))
services = compose["services"]
must(set(services) == {"surrealdb", "migrate", "driver", "resident"}, "docker-compose.yaml: other services than expected")
for name, service in services.items():
    tag = service["image"].rpartition(":")[2]
    must(re.fullmatch(r"v?\d+\.\d+\.\d+", tag), f"{name}: the image `{service['image']}` is not pinned to a version")
    must(service.get("cap_drop") == ["ALL"], f"{name}: has capabilities")
    for port in service.get("ports", []):
        must(port.startswith("127.0.0.1:"), f"{name}: the port {port} is open to other machines")
    for key, value in service.get("environment", {}).items():
        if re.search("PASS|USER", key):
            must(value.startswith("${"), f"{name}: {key} has a fixed value, and does not come from .env")

version = re.search(r'^version = "(.*)"', open("Cargo.toml").read(), flags=re.M).group(1)
must(services["driver"]["image"] == services["migrate"]["image"] == f"mer:{version}", "the image is not this version's")
engine = re.search(r'^surrealdb = \{ version = "=(.*?)"', open("Cargo.toml").read(), flags=re.M).group(1)
must(services["surrealdb"]["image"].endswith(f":v{engine}"), "the server does not have the engine's version")

must(services["surrealdb"]["command"][-1].startswith("rocksdb://"), "surrealdb: not stored in RocksDB")
for name, service in services.items():
    # The resident is a first process that reaps orphans itself; with `init` it would be the second.
    must(service.get("init") is (name != "resident"), f"{name}: not exactly one first process that reaps orphans")
must("healthcheck" in services["surrealdb"], "surrealdb: no health check")
must(services["surrealdb"]["volumes"][0].split(":")[0] in compose["volumes"], "surrealdb: its data are not on a volume")
must(services["migrate"]["depends_on"]["surrealdb"]["condition"] == "service_healthy", "migrate does not wait for the server")
must(services["migrate"]["entrypoint"] == ["/bin/mer-migrations"], "migrate does not run the migrations")
must(services["migrate"]["restart"] == "no", "migrate is restarted after its end")
after = services["driver"]["depends_on"]["migrate"]["condition"]
must(after == "service_completed_successfully", "driver does not wait for the migrations")
must(services["driver"].get("tty") and services["driver"].get("stdin_open"), "driver has no terminal")
secret = "MIGRATIONS_DB_PASSWORD"
must(secret not in services["driver"]["environment"], f"driver: gets {secret}")

# .env must explain each variable that compose reads from it.
known = set(re.findall(r"^#?([A-Z_]+)=", open(".env").read(), flags=re.M))
for name in set(re.findall(r"\$\{([A-Z_]+)", open("docker-compose.yaml").read())):
    must(name in known, f"docker-compose.yaml: .env does not know `{name}`")

for fault in faults:
    print(fault, file=sys.stderr)
sys.exit(bool(faults))
