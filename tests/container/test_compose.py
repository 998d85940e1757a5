"""What docker-compose.yml promises, read from the file: no Docker is needed."""

import json
import subprocess
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.container.compose import ROOT, compose, instructions

SERVICES = compose()["services"]


def test_the_file_is_what_the_compose_specification_wants():
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(compose())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(compose() | {"servces": {}})


def test_n8n_and_n8n_medic_stand_by_themselves_and_the_rest_is_asked_for():
    standing = {name for name, one in SERVICES.items() if "profiles" not in one}
    assert standing == {"n8n", "n8n-database", "medic-web", "medic-worker", "medic-database"}
    assert {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one} == {
        "redis": ["queue"],
        "n8n-worker": ["queue"],
        "docker-proxy": ["docker"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name):
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert "privileged" not in service and "network_mode" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_how_it_is_and_comes_back_by_itself(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL") and service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name):
    tag = SERVICES[name]["image"].partition(":")[2]
    assert tag[:1].isdigit(), f"{name} runs whatever {SERVICES[name]['image']} is today"


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_as_files_alone(name):
    service = SERVICES[name]
    told = {key for key in service.get("environment", {}) if any(word in key for word in ("PASSWORD", "KEY", "TOKEN"))}
    assert all(key.endswith("_FILE") for key in told), told
    named = {
        value.removeprefix("/run/secrets/") for value in service.get("environment", {}).values() if "/run/sec" in value
    }
    assert named == set(service.get("secrets", []))


def test_ports_are_open_to_this_machine_alone():
    opened = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert opened and all(port.startswith("127.0.0.1:") for port in opened)


def test_dockers_socket_is_given_to_the_filtering_proxy_alone():
    holders = [name for name, one in SERVICES.items() if any("docker.sock" in str(v) for v in one.get("volumes", []))]
    assert holders == ["docker-proxy"]
    proxy = SERVICES["docker-proxy"]
    assert proxy["networks"] == ["docker"] and compose()["networks"]["docker"] == {"internal": True}
    assert "-allowfrom=medic-worker" in proxy["command"]
    allowed = [one for one in proxy["command"] if one.startswith("-allow") and one[6:7].isupper()]
    assert [one.partition("=")[0] for one in allowed] == ["-allowGET", "-allowPOST"]
    chosen = compose(MEDIC_MAY_RESTART="shop|api")["services"]["docker-proxy"]["command"]
    assert "-allowPOST=/containers/(shop|api)/restart" in chosen


def test_queue_mode_is_one_variable_and_one_profile():
    assert SERVICES["n8n"]["environment"]["EXECUTIONS_MODE"] == "regular"
    queued = compose(EXECUTIONS_MODE="queue")["services"]
    assert queued["n8n"]["environment"] == queued["n8n-worker"]["environment"]
    assert queued["n8n-worker"]["environment"]["EXECUTIONS_MODE"] == "queue"
    assert queued["n8n-worker"]["environment"]["N8N_METRICS_INCLUDE_QUEUE_METRICS"] == "true"


def test_no_two_workers_of_n8n_share_a_folder_and_none_is_killed_while_it_ends_its_work():
    worker = SERVICES["n8n-worker"]
    assert worker["volumes"] == ["/home/node/.n8n"], "tests/n8n/test_queue_mode.py shows what a shared one does"
    assert int(worker["stop_grace_period"].removesuffix("s")) > 30, "n8n's own patience"


def test_a_restart_that_runs_is_given_as_long_to_end_as_without_containers():
    from recovery.cli.serve import STOP_SECONDS

    assert float(SERVICES["medic-worker"]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS


def test_n8ns_version_is_the_one_that_the_suite_runs():
    from tests.n8n.install import USUAL_VERSION

    assert SERVICES["n8n"]["image"] == SERVICES["n8n-worker"]["image"] == f"n8nio/n8n:{USUAL_VERSION}"


def test_the_image_carries_our_version_and_ends_as_nobody_special():
    told = dict(instructions())
    assert told["USER"] == "medic" and f"n8n-medic:{_version()}" == SERVICES["medic-web"]["image"]
    kept = [one for one in (ROOT / ".dockerignore").read_text().split() if one.startswith("!")]
    copied = [value.split()[:-1] for name, value in instructions() if name == "COPY" and "--from" not in value]
    assert {f"!{source}" for sources in copied for source in sources} == set(kept)


def _version() -> str:
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_prepare_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    script = tmp_path / "docker" / "prepare.sh"
    script.write_text((ROOT / "docker" / "prepare.sh").read_text())
    said = subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout
    made = {one.name: one.read_text() for one in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(compose()["secrets"]) and "docker compose up -d" in said
    assert all(len(made[name]) == 40 for name in made if "api_key" not in name and "url" not in name)
    assert made["medic_database_url"] == f"postgresql://medic:{made['medic_database_password']}@medic-database/medic"
    assert not any(secret in said for secret in made.values() if secret)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    (tmp_path / "config" / "medic.yaml").write_text("dry_run: true\n")
    (tmp_path / "secrets" / "n8n_api_key").write_text("key")
    subprocess.run(["sh", script], capture_output=True, check=True)
    assert {one.name: one.read_text() for one in (tmp_path / "secrets").iterdir()} == made | {"n8n_api_key": "key"}
    assert (tmp_path / "config" / "medic.yaml").read_text() == "dry_run: true\n"
