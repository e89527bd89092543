"""AWS's own variables and files: with keys, they do not matter; without, their errors are sentences."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect_aws import AwsCredentials
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from blocks import environment
from blocks.credentials import AwsSessionCredentials
from blocks.environment import LogsBucket, s3_client
from flows.errors import PipelineError, SettingsError, StorageError
from flows.storage.logs_bucket import LogsBucket as Logs
from tests.support.world import World
from tests.test_user_page_views import FIRST, fill

NOWHERE = "http://127.0.0.1:1"
FILES = {
    "broken": "[default\nkey = a-secret",
    "other": f"[default]\nregion = mars-1\nendpoint_url = {NOWHERE}\ndefaults_mode = bad\nuse_fips_endpoint = true\n"
    "s3 =\n  use_accelerate_endpoint = true\n  addressing_style = virtual\n",
    "sso": "[default]\n" + "".join(f"sso_{name} = x\n" for name in ("start_url", "region", "account_id", "role_name")),
    "process": "[default]\ncredential_process = sh -c 'echo a-secret >&2; exit 1'\n",
}
SETTINGS = [
    *((name, file) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE") for file in ("other", "broken")),
    *((name, "other") for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")),
    *((f"AWS_ENDPOINT_URL{of}", NOWHERE) for of in ("", "_S3", "_STS")),
    *((f"AWS_{name}", "/nowhere") for name in ("REGION", "DEFAULT_REGION", "CA_BUNDLE", "DATA_PATH")),
    *((f"AWS_USE_{name}_ENDPOINT", "true") for name in ("FIPS", "DUALSTACK")),
    *((f"AWS_{name}", "bad") for name in ("MAX_ATTEMPTS", "RETRY_MODE", "DEFAULTS_MODE", "METADATA_SERVICE_TIMEOUT")),
    *((f"AWS_{name}", "bad") for name in ("REQUEST_CHECKSUM_CALCULATION", "RESPONSE_CHECKSUM_VALIDATION")),
    *((f"AWS_S3_{name}", "bad") for name in ("US_EAST_1_REGIONAL_ENDPOINT", "USE_ARN_REGION")),
]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A machine without an AWS identity, with files to choose from in its working directory."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environment._client.cache_clear()
    yield monkeypatch
    environment._client.cache_clear()


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "endpoint", "region", "used"),
    [
        (AwsCredentials, None, None, ("https://s3.amazonaws.com", "us-east-1")),
        (AwsSessionCredentials, None, "eu-west-3", ("https://s3.eu-west-3.amazonaws.com", "eu-west-3")),
        (AwsSessionCredentials, "http://127.0.0.1:9", None, ("http://127.0.0.1:9", "us-east-1")),
    ],
)
def test_with_keys_no_variable_and_no_file_of_aws_changes_the_client(
    machine: pytest.MonkeyPatch, kind: type[AwsCredentials], endpoint: str, region: str, used: tuple[str, str]
) -> None:
    keys = kind(aws_access_key_id="AKID", aws_secret_access_key=SecretStr("key"), region_name=region)
    keys.aws_client_parameters = AwsClientParameters(endpoint_url=endpoint)
    bucket = LogsBucket(bucket_name="b", credentials=keys)
    clean: Any = s3_client(bucket).meta
    assert (clean.endpoint_url, clean.region_name) == used
    for name, value in SETTINGS:
        with machine.context() as changed:
            changed.setenv(name, value)
            environment._client.cache_clear()
            client: Any = s3_client(bucket)
            assert (client.meta.endpoint_url, client.meta.region_name) == used, name
            for part in ("s3", "retries", "read_timeout", "request_checksum_calculation"):
                assert getattr(client.meta.config, part) == getattr(clean.config, part), name
            assert "Token" not in client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})


def test_a_run_with_keys_needs_nothing_else_of_aws(world: World, machine: pytest.MonkeyPatch) -> None:
    fill(world, FIRST)
    for name, value in SETTINGS:
        machine.setenv(name, value)
    assert world.run("one").objects_parsed == len(FIRST)


@pytest.mark.parametrize(
    ("name", "value", "kind", "words"),
    [
        ("AWS_PROFILE", "nobody", SettingsError, r"\(nobody\).*AWS_PROFILE.*or register AWS_ACCESS_KEY_ID"),
        ("AWS_CONFIG_FILE", "broken", SettingsError, r"broken\): correct .*~/.aws/config"),
        ("AWS_DEFAULTS_MODE", "bad", SettingsError, "InvalidDefaultsMode.*AWS_... variables"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "bad", SettingsError, "ValueError.*AWS_... variables"),
        ("AWS_CONFIG_FILE", "process", SettingsError, "CredentialRetrievalError.*or register AWS_ACCESS_KEY_ID"),
        ("AWS_CONFIG_FILE", "sso", StorageError, "SSOTokenLoadError.*aws sso login"),
        ("AWS_CONFIG_FILE", "nowhere", StorageError, "no AWS credentials were found.*Register AWS_ACCESS_KEY_ID"),
    ],
)
def test_without_keys_the_errors_of_the_machines_identity_say_what_to_do(
    machine: pytest.MonkeyPatch, name: str, value: str, kind: type[PipelineError], words: str
) -> None:
    machine.setenv("AWS_CONFIG_FILE", "nowhere")
    machine.setenv(name, value)
    environment._client.cache_clear()
    bucket = LogsBucket(bucket_name="b", credentials=AwsSessionCredentials(region_name="eu-west-3"))
    with pytest.raises(kind, match=words) as caught:
        Logs(s3_client(bucket), "b", "").list("")
    assert "a-secret" not in str(caught.value)
    assert caught.value.__context__ is None
