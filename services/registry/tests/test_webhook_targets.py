import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from webhook_receiver import receiving, resolver, status

from pelton.registry.webhooks.messages import Message
from pelton.registry.webhooks.sender import SHOWN_BYTES, Sender
from pelton.registry.webhooks.targets import RefusedTargetError, addresses, is_public, parse

LOOPBACK = ip_network("127.0.0.0/8")
MESSAGE = Message("m1", b"{}", "application/json")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),  # noqa: S104 - nothing is bound
        *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1"),
        *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1"),
    ],
)
def test_an_address_inside_is_not_public_however_it_is_written(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://ann:pw@example.com/", "user or a password"),
        ("https://@example.com/", "user or a password"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:70000/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://exa mple.com/", "none a space"),
        ("https://example.com/\r\nX: 1", "none a space"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/" + "a" * 2000, "2000 characters"),
    ],
)
def test_a_url_that_leads_astray_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(RefusedTargetError, match=reason):
        parse(url)


def test_a_url_keeps_its_host_and_its_secrets_when_the_host_is_an_address() -> None:
    target = parse("https://Example.com:8443/a%20b?token=1")
    assert (target.origin, target.authority) == ("https://example.com:8443", "example.com:8443")
    assert target.at(ip_address("1.1.1.1")) == "https://1.1.1.1:8443/a%20b?token=1"
    assert parse("https://[2606:4700::1]").at(ip_address("2606:4700::1")) == "https://[2606:4700::1]:443/"


@pytest.mark.parametrize(
    ("url", "answer", "reason"),
    [
        ("https://a.test/", ["10.0.0.1"], "10.0.0.1, which is not public"),
        ("https://a.test/", ["1.1.1.1", "10.0.0.1"], "not public"),
        ("https://a.test/", ["fe80::1%eth0"], "not public"),
        ("https://a.test/", [], "no address"),
        ("http://a.test/", ["1.1.1.1"], "https://"),
        ("http://a.test/", ["127.0.0.1", "1.1.1.1"], "https://"),
    ],
)
async def test_a_host_is_refused_for_any_of_its_addresses(url: str, answer: list[str], reason: str) -> None:
    with pytest.raises(RefusedTargetError, match=reason):
        await addresses(parse(url), [LOOPBACK], resolver(answer))


async def test_odd_spellings_of_loopback_are_seen_through_by_what_they_resolve_to() -> None:
    sender = Sender()
    for host in ("localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]"):
        outcome = await sender.send(f"https://{host}/", MESSAGE, {})
        assert "not public" in str(outcome.error), host
    await sender.close()


async def test_a_name_that_leads_inside_a_moment_later_leads_nowhere() -> None:
    async with receiving() as inside:
        sender = Sender(resolve=resolver(["93.184.216.34"], ["127.0.0.1"]))
        url = f"https://hook.test:{inside.port}/"
        await addresses(parse(url), sender.allowed, sender.resolve)
        outcome = await sender.send(url, MESSAGE, {})
        assert (outcome.status, outcome.delivered) == (None, False)
        assert "127.0.0.1, which is not public" in str(outcome.error)
        assert inside.got == []
        await sender.close()


async def test_a_connection_goes_to_the_address_that_was_looked_at_and_keeps_the_name() -> None:
    async with receiving() as receiver:
        # a second question would be answered with an address where nobody listens
        sender = Sender([LOOPBACK], resolve=resolver(["127.0.0.1"], ["127.9.9.9"]))
        outcome = await sender.send(f"http://hook.test:{receiver.port}/a?b=c", MESSAGE, {})
        assert outcome.delivered
        (got,) = receiver.got
        assert (got.path, got.headers["host"]) == ("/a?b=c", f"hook.test:{receiver.port}")
        await sender.close()


async def test_of_several_addresses_the_next_is_taken_where_one_has_no_listener() -> None:
    async with receiving() as receiver:
        sender = Sender([LOOPBACK], resolve=resolver(["127.9.9.9", "127.0.0.1"]))
        assert (await sender.send(f"http://hook.test:{receiver.port}/", MESSAGE, {})).delivered
        await sender.close()


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as inside, receiving([status(307, f"location: {inside.url}")]) as receiver:
        sender = Sender([LOOPBACK])
        outcome = await sender.send(receiver.url, MESSAGE, {})
        assert (outcome.status, outcome.delivered) == (307, False)
        assert "not followed" in str(outcome.error)
        assert inside.got == []
        await sender.close()


async def test_an_answer_is_read_no_further_than_it_is_shown() -> None:
    endless = b"HTTP/1.1 500 Any\r\ntransfer-encoding: chunked\r\n\r\n" + b"4\r\na\x00bc\r\n" * 100_000
    async with receiving([endless]) as receiver:
        sender = Sender([LOOPBACK])
        outcome = await sender.send(receiver.url, MESSAGE, {})
        assert outcome.status == 500
        assert outcome.response.startswith("abcabc")
        assert len(outcome.response) <= SHOWN_BYTES
        await sender.close()


async def test_who_does_not_answer_in_time_is_left() -> None:
    async with receiving() as receiver:
        receiver.hold.clear()
        sender = Sender([LOOPBACK], seconds=0.2)
        assert (await sender.send(receiver.url, MESSAGE, {})).error == "no answer within 0.2 s"
        await sender.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 999999 X\r\n\r\n", b"hello\r\n\r\n"])
async def test_what_is_no_answer_of_http_is_a_failure_with_its_reason(answer: bytes) -> None:
    async with receiving([answer]) as receiver:
        sender = Sender([LOOPBACK])
        outcome = await sender.send(receiver.url, MESSAGE, {})
        assert (outcome.status, bool(outcome.error)) == (None, True)
        await sender.close()


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side for a host, and the side of whoever trusts its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "key.pem", folder / "certificate.pem"
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files[1].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files[1], files[0])
    return server, ssl.create_default_context(cafile=str(files[1]))


@pytest.mark.parametrize(("host", "delivered"), [("hook.test", True), ("other.test", False)])
async def test_a_receiver_proves_its_name_though_it_is_reached_by_address(
    tmp_path: Path, host: str, *, delivered: bool
) -> None:
    server, client = certificate(tmp_path, "hook.test")
    async with receiving(tls=server) as receiver:
        sender = Sender([LOOPBACK], resolve=resolver(["127.0.0.1"]), tls=client)
        outcome = await sender.send(f"https://{host}:{receiver.port}/", MESSAGE, {})
        assert outcome.delivered is delivered, outcome
        assert delivered or "certificate" in str(outcome.error).lower()
        await sender.close()
