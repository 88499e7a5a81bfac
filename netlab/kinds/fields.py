"""Turns the words of a file into checked values: addresses, MACs, durations, names; each a pydantic type.

A value that is wrong becomes an error with words for the user and, where one can be given, a fix. Short forms are
expansions (`Short`): the text stands for the full form, in validation and in the JSON Schema alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
)
from pydantic_core import PydanticCustomError, core_schema

from netlab import names
from netlab.source import kind_of, quote

AnyInterface = IPv4Interface | IPv6Interface
AnyAddress = IPv4Address | IPv6Address
AnyNetwork = IPv4Network | IPv6Network

#: The longest duration that the language takes: a day.
LONGEST_DURATION = 86_400.0
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h)?\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}
_PREFIXED = re.compile(r"[0-9a-fA-F.:]+(/[0-9]{1,3})?\Z")


def fault(code: str, what: str, fix: str | None = None) -> PydanticCustomError:
    """Make the error that a validator raises, with the words that the user is to read.

    >>> str(fault("mac", "not a MAC"))
    'not a MAC'
    """
    return PydanticCustomError(code, "{what}", {"what": what, "fix": fix})


class Section(BaseModel):
    """A mapping of the file: its keys are known, and its values are not changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


@dataclass(frozen=True, slots=True, eq=False)
class Short:
    """Marks a type that also takes a short form: `expand` turns it into the full form, `schema` describes it."""

    expand: Callable[[Any], Any]
    schema: tuple[dict[str, Any], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        assert schema["type"] == "function-before"
        return {"anyOf": [*self.schema, handler(schema["schema"])]}


NULL = {"type": "null"}


def _empty_mapping(value: Any) -> Any:
    return {} if value is None else value


def _empty_sequence(value: Any) -> Any:
    return () if value is None else value


def _one_or_many(value: Any) -> Any:
    return () if value is None else value if isinstance(value, list) else (value,)


#: A mapping or sequence that may be left empty: `checks:`.
MayBeEmpty = Short(_empty_mapping, (NULL,))
MayBeNone = Short(_empty_sequence, (NULL,))
#: One text where a sequence of them may stand.
OneOrMany = Short(_one_or_many, ({"type": "string"}, NULL))


def _text(value: Any, example: str) -> str:
    if isinstance(value, str):
        return value.strip()
    raise fault("type", f"must be text such as {example}, not a {kind_of(value)}")


def read_interface(value: Any) -> AnyInterface:
    """Turn `A/n` into an address with its network; without a prefix length it is /32 or /128."""
    text = _text(value, "10.0.0.1/24")
    try:
        if not _PREFIXED.match(text):
            raise ValueError
        found = ip_interface(text)
    except ValueError:
        raise fault("address", f"{quote(text)} is not an address", "write it as 10.0.0.1/24 or fd00::1/64") from None
    _refuse_special(found.ip, text)
    if isinstance(found, IPv4Interface) and found.network.prefixlen < 31:
        _refuse_edges(found)
    return found


def _refuse_special(address: AnyAddress, text: str) -> None:
    if address.is_multicast:
        raise fault("address", f"{text} is a multicast address; a device has unicast addresses")
    if address.is_unspecified:
        raise fault("address", f"{text} is the unspecified address; a device needs one of its own")
    if isinstance(address, IPv4Address) and (int(address) >> 28 == 15 or int(address) >> 24 == 0):
        raise fault("address", f"{text} is of a reserved range (0.0.0.0/8, 240.0.0.0/4)")


def _refuse_edges(found: IPv4Interface) -> None:
    network = found.network
    if found.ip == network.network_address:
        first = f"{network.network_address + 1}/{network.prefixlen}"
        raise fault("address", f"{found} is the network itself, not an address in it", f"write {first}, for one")
    if found.ip == network.broadcast_address:
        last = f"{network.broadcast_address - 1}/{network.prefixlen}"
        raise fault("address", f"{found} is the broadcast address of its subnet", f"write {last}, for one")


def read_address(value: Any) -> AnyAddress:
    """Turn `A` into an address; a prefix length has no place here."""
    text = _text(value, "10.0.0.1")
    try:
        return ip_address(text)
    except ValueError:
        fix = f"write {text.partition('/')[0]}" if _PREFIXED.match(text) and "/" in text else None
        why = "has a prefix length, which has no place here" if fix else "is not an address"
        raise fault("address", f"{quote(text)} {why}", fix) from None


def read_network(value: Any) -> AnyNetwork:
    """Turn `A/n` into a network; host bits must be zero."""
    text = _text(value, "10.0.0.0/24")
    if not _PREFIXED.match(text):
        raise fault("subnet", f"{quote(text)} is not a subnet", "write it as 10.0.0.0/24 or fd00::/64")
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        network = ip_interface(text).network
    except ValueError:
        raise fault("subnet", f"{quote(text)} is not a subnet", "write it as 10.0.0.0/24 or fd00::/64") from None
    raise fault("subnet", f"{text} has bits set behind its prefix: it is an address, not a subnet", f"write {network}")


def read_mac(value: Any) -> str:
    """Turn a MAC into its normal form, lower case with colons; it must be unicast and not zero."""
    text = _text(value, '"02:42:ac:11:00:01"').lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise fault("mac", f"{quote(value)} is not a MAC", "write six bytes, such as 02:42:ac:11:00:01")
    first = int(text[:2], 16)
    if first & 1:
        fix = f"write {first & 0xFE:02x}{text[2:]} (the first byte must be even)"
        raise fault("mac", f"{text} is a multicast MAC; a device has a unicast one", fix)
    if text == "00:00:00:00:00:00":
        raise fault("mac", f"{text} cannot be a device's MAC", "leave it out and netlab derives one")
    return text


def read_duration(value: Any) -> float:
    """Turn `200ms`, `5s`, `2m`, `1h` or a number of seconds into seconds, at most a day."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _DURATION.match(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    else:
        raise fault("duration", f"{quote(value)} is not a duration", "write 200ms, 5s or 2m")
    if not 0 <= seconds <= LONGEST_DURATION:
        raise fault("duration", f"{value} is not a duration between 0 and a day", "write 200ms, 5s or 2m")
    return seconds


def suggested_name(name: str, fault_of: Callable[[str], str | None], longest: int) -> str | None:
    """Give a fix with the nearest text in which `fault_of` finds no fault, or None.

    >>> suggested_name("my lab/1", names.fault_of_name, 64)
    'write my-lab-1'
    """
    found = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:longest].rstrip(".-")
    return None if fault_of(found) else f"write {found}"


def check_name(name: str) -> str:
    """Let a name of a lab pass, or say what is wrong with it."""
    if wrong := names.fault_of_name(name):
        better = suggested_name(name, names.fault_of_name, names.LONGEST_NAME)
        raise fault("name", f"the name {quote(name)} {wrong}", better)
    return name


def check_device(name: str) -> str:
    """Let a name of a device pass, or say what is wrong with it."""
    if wrong := names.fault_of_device(name):
        better = suggested_name(name, names.fault_of_device, names.LONGEST_DEVICE)
        raise fault("device-name", f"the device name {quote(name)} {wrong}", better)
    return name


def check_bridge_name(name: str) -> str:
    """Let a name of a bridge pass: a device name that is no word of the language."""
    if name in names.RESERVED:
        raise fault("device-name", f"the name {quote(name)} is a word of the language", "write br0, for one")
    return check_device(name)


Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
LabName = Annotated[str, Strict(), AfterValidator(check_name)]
DeviceName = Annotated[str, Strict(), AfterValidator(check_device)]
BridgeName = Annotated[str, Strict(), AfterValidator(check_bridge_name)]
Interface = Annotated[AnyInterface, PlainValidator(read_interface, json_schema_input_type=str)]
Address = Annotated[AnyAddress, PlainValidator(read_address, json_schema_input_type=str)]
Network = Annotated[AnyNetwork, PlainValidator(read_network, json_schema_input_type=str)]
Mac = Annotated[str, PlainValidator(read_mac, json_schema_input_type=str)]
Duration = Annotated[float, PlainValidator(read_duration, json_schema_input_type=str | int | float)]
#: The kernel's bounds for Ethernet-like devices; below 1280 a device has no IPv6.
Mtu = Annotated[int, Strict(), Field(ge=68, le=65535)]
