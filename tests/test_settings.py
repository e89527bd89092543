"""Settings that `blocks.register` accepts or refuses: access points, and database URLs as libpq takes them."""

import pytest

from blocks.environment import s3_client
from blocks.register import environment_of
from blocks.settings import EnvironmentSettings, read_settings
from flows.errors import SettingsError
from tests.test_register import GOOD, MALFORMED

ARN = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-logs"
CHINA = ARN.replace("aws:s3:eu-west", "aws-cn:s3:cn-north")
OUTPOST = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/my-logs"
VPC = "https://accesspoint.vpce-1a2b3c4d-5e6f.s3.eu-west-1.vpce.amazonaws.com"
ALIAS = "my-logs-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias"


def read(**settings: str) -> EnvironmentSettings:
    return read_settings(None, {**GOOD, "NOTIFY_FROM": "data@example.com", **settings})


def refused(**settings: str) -> str:
    with pytest.raises(SettingsError) as raised:
        read(**settings)
    return str(raised.value)


@pytest.mark.parametrize(
    ("bucket", "more", "host"),
    [
        (ARN, {}, "my-logs-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"),
        (ARN.replace("t/m", "t:m"), {"AWS_REGION": "us-east-1"}, "my-logs-123456789012.s3-accesspoint.eu-west-1."),
        (CHINA, {"AWS_REGION": "cn-north-1"}, "my-logs-123456789012.s3-accesspoint.cn-north-1.amazonaws.com.cn"),
        (OUTPOST, {}, "my-logs-123456789012.op-01ac5d28a6a232904.s3-outposts.us-west-2.amazonaws.com"),
        (ARN, {"S3_ENDPOINT_URL": VPC}, f"my-logs-123456789012.{VPC.removeprefix('https://')}"),
        (ALIAS, {}, f"{ALIAS}.s3."),
    ],
)
@pytest.mark.parametrize("name", ["LOGS_BUCKET", "RESULTS_BUCKET"])
def test_an_access_point_is_a_bucket(name: str, bucket: str, more: dict[str, str], host: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", **more}
    client = s3_client(environment_of(read(**{name: bucket}, **keys)).logs)
    assert f"//{host}" in client.generate_presigned_url("list_objects_v2", {"Bucket": bucket})


def test_other_arns_and_other_services_than_aws_are_refused_with_an_example() -> None:
    for arn in ("arn:aws:s3:::bucket", ARN.replace("eu-west-1", ""), f"{ARN}/prefix", f"{OUTPOST}/a", "arn:x"):
        assert f"such as {ARN}" in refused(LOGS_BUCKET=arn)
    sentence = refused(RESULTS_BUCKET=ARN, S3_ENDPOINT_URL="http://localhost:9000")
    assert "Malformed: S3_ENDPOINT_URL: is no endpoint for an ARN: name a bucket, such as my-logs" in sentence


@pytest.mark.parametrize("host", ["h1,h2", "h1:5432,h2:5433", "h1,h2:5433", "[::1]:5432,h", "%2Frun", "", "u:p%2Fw@h"])
def test_libpq_s_own_forms_of_a_url_are_accepted_as_they_are(host: str) -> None:
    for query in ("", "?host=h1,h2&port=1,2", "?sslmode=require&target_session_attrs=read-write"):
        for url in (f"postgresql://{host}/db{query}", f"postgres://{host}/db{query}"):
            assert read(DATABASE_URL=url).database_url.get_secret_value() == url


OTHERS = ["h", "h/", "u:p/w@h/db", "u:1/w@h/db", "u:p@w@h/db", "u:%zz@h/db", "h:x/db", "h/db?sslmod=1"]
MORE = {
    "AWS_REGION": ["EU West", "1", "-a"],
    "S3_ENDPOINT_URL": ["http://[::1", "http://h:port", "http://h h", "ftp://h"],
}
MORE["DATABASE_URL"] = ["host=h dbname=db", *(f"postgresql://{rest}" for rest in OTHERS)]


@pytest.mark.parametrize("name", [*MALFORMED, "AWS_REGION"])
def test_every_malformed_value_is_answered_with_an_example(name: str) -> None:
    for value in [*MALFORMED.get(name, ()), *MORE.get(name, ())]:
        assert f"Malformed: {name}: " in refused(**{name: value})
        assert "such as" in refused(**{name: value}) or "@" in value
