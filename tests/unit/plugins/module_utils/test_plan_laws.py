# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every kind of link and namespace, whatever is there and whatever is wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings, strategies as st

from ansible_collections.virtnet.qemu.plugins.module_utils._host.errors import HostError
from ansible_collections.virtnet.qemu.plugins.module_utils._plan import plan
from ansible_collections.virtnet.qemu.plugins.module_utils._spec import uplink, uplink_tag
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import MARK, SpecError
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.bridge import Bridge
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.netns import Netns
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.tap import Tap
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.veth import Veth
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, Route

from .kernel import BRIDGE, LOOPBACK, Kernel
from .trial import Adapter, copied, parse, run, state

ADDRESSES = ["10.1.0.1/24", "10.1.0.2/24", "10.1.0.3/24", "10.2.0.1/24", "fd00:1::1/64", "fd00:2::1/64"]
SYSCTLS = {
    "net.core.somaxconn": ["128", "4096"],
    "net.ipv4.conf.all.accept_redirects": ["0", "1"],
    "net.ipv4.conf.eth0.forwarding": ["0", "1"],
    "net.ipv4.ip_forward": ["0", "1"],
}

# -- what is there -----------------------------------------------------------------------------------


@st.composite
def links(draw, name: str, kind: str, number: int, ours: bool = True, **values: Any) -> Link:
    up = draw(st.booleans())
    # One that goes down forgets its IPv6 addresses, so what was down with some cannot be had back.
    possible = [address for address in ADDRESSES if up or ":" not in address]
    addresses = tuple(draw(st.lists(st.sampled_from(possible), unique=True, max_size=4)))
    routes = tuple(route for route in possible_routes(addresses, number) if up and draw(st.booleans()))
    link = Link(number, name, kind, f"52:54:00:00:00:{number:02x}", 1500, up, False, MARK if ours else None, None)
    return replace(link, addresses=addresses, routes=routes, **values)


def possible_routes(addresses: tuple[str, ...], number: int) -> list[Route]:
    """Some that a link with these addresses may have, and no other link has."""
    gateways = {"10.1.0.": "10.1.0.9", "10.2.0.": "10.2.0.9", "fd00:1:": "fd00:1::9", "fd00:2:": "fd00:2::9"}
    found = []
    for start, gateway in gateways.items():
        if any(address.startswith(start) for address in addresses):
            found.append(Route("fd09::/16" if ":" in gateway else "0.0.0.0/0", gateway, number * 10 + len(found)))
    return found + ([Route(f"10.{100 + number}.0.0/16")] if any(":" not in a for a in addresses) else [])


@st.composite
def bridge_hosts(draw) -> dict[str | None, list[Link]]:
    names = draw(st.lists(st.sampled_from(["b0", "b1", "b2"]), unique=True))
    info = st.builds(
        lambda stp, delay: {**BRIDGE, "stp": stp, "forward_delay": delay}, st.booleans(), st.integers(2, 30)
    )
    made = [draw(links(name, "bridge", 10 + n, ours=name != "b2", info=draw(info))) for n, name in enumerate(names)]
    masters = st.sampled_from([None, *names])
    ports = [draw(links(f"p{n}", "", 20 + n, ours=False)) for n in range(3)]
    ports = [draw(ported(port, masters)) for port in ports]
    made = [tagged(draw, bridge, ports) for bridge in made]
    return {None: made + ports}


@st.composite
def settings_of(draw, kernel: Kernel) -> dict[str, str]:
    """The sysctls of each link. A bridge without an uplink has the default ones: nothing keeps others of it."""
    values = {key: draw(st.sampled_from("01")) for key in uplink.SETTINGS}
    found = {uplink.setting("default", key): value for key, value in values.items()}
    for link in kernel.spaces[None].values():
        fixed = link.kind == "bridge" and uplink_tag.read(link.alias)[0] is None
        for key, value in values.items():
            found[uplink.setting(link.name, key)] = value if fixed else draw(st.sampled_from("01"))
    return found


def tagged(draw, bridge: Link, ports: list[Link]) -> Link:
    """Some bridges of ours have an uplink, and some addresses of their own beside those of the host."""
    mine = [port for port in ports if port.master == bridge.name]
    if bridge.alias is None or not mine or not draw(st.booleans()):
        return bridge
    nic = draw(st.sampled_from(mine))
    # No run leaves one of its own on the NIC too.
    own = tuple(address for address in bridge.addresses if address not in nic.addresses and draw(st.booleans()))
    return replace(bridge, alias=uplink_tag.write(nic.name, own))


@st.composite
def ported(draw, link: Link, masters: st.SearchStrategy) -> Link:
    master = draw(masters)
    return replace(link, master=master, isolated=draw(st.booleans()) if master else None)


@st.composite
def tap_hosts(draw) -> dict[str | None, list[Link]]:
    bridges = [draw(links(name, "bridge", 10 + n, info=BRIDGE)) for n, name in enumerate(["b0", "b1"])]
    names = draw(st.lists(st.sampled_from(["t0", "t1", "t2"]), unique=True))
    info = st.fixed_dictionaries(
        {
            "mode": st.just("tap"),
            "owner": st.sampled_from([None, 1000]),
            "group": st.sampled_from([None, 100]),
            "multi_queue": st.booleans(),
            "vnet_hdr": st.booleans(),
        }
    )
    masters = st.sampled_from([None, "b0", "b1"])
    taps = [draw(links(name, "tun", 20 + n, ours=name != "t2", info=draw(info))) for n, name in enumerate(names)]
    # Those that a guest is attached to have a carrier.
    taps = [replace(draw(ported(tap, masters)), carrier=draw(st.booleans())) for tap in taps]
    return {None: bridges + taps}


def near_places(number: int) -> list[tuple[str | None, str]]:
    return [(None, f"v{number}"), ("red", f"eth{number}"), ("red", f"v{number}"), ("blue", f"x{number}")]


def peer_places(number: int) -> list[tuple[str | None, str]]:
    return [(None, f"w{number}"), ("blue", f"eth{number}"), ("red", f"y{number}")]


@st.composite
def veth_hosts(draw) -> dict[str | None, list[Link]]:
    spaces: dict[str | None, list[Link]] = {None: [draw(links("b0", "bridge", 10, info=BRIDGE))], "red": [], "blue": []}
    for number in draw(st.sets(st.sampled_from([0, 1]))):
        near = draw(st.sampled_from(near_places(number)))
        peer = draw(st.sampled_from(peer_places(number)))
        for (netns, name), other, index in ((near, peer, 20 + number), (peer, near, 30 + number)):
            # In each namespace the kernel counts from 1: these may well be the same.
            end = draw(links(name, "veth", index, ours=number == 0, peer=other))
            spaces[netns].append(draw(ported(end, st.sampled_from([None, "b0"] if netns is None else [None]))))
    return spaces


@st.composite
def netns_hosts(draw) -> dict[str | None, list[Link]]:
    return {None: [], **{name: [] for name in draw(st.sets(st.sampled_from(["n0", "n1", "n2"])))}}


# -- what is wanted ----------------------------------------------------------------------------------


def some(**options: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    """Options of a task, of which each may be left out."""
    return st.fixed_dictionaries({}, optional=options)


ADDRESS_LISTS = st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=4)
MACS = st.sampled_from(["52:54:00:aa:00:01", "52:54:00:aa:00:02"])
MTUS = st.sampled_from([1400, 1500])
STATES = st.sampled_from(["present", "present", "absent"])


def bridge_options(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return some(
        ports=st.lists(st.sampled_from(["p0", "p1", "p2"]), unique=True),
        purge_ports=st.booleans(),
        uplink=st.sampled_from(["", "p0", "p1"]),
        uplink_addresses=st.sampled_from(["move", "flush"]),
        addresses=ADDRESS_LISTS,
        stp=st.booleans(),
        forward_delay=st.integers(0, 30),
        ageing_time=st.sampled_from([0, 300]),
        mac=MACS,
        mtu=MTUS,
        adopt=st.booleans(),
        state=STATES,
    ).map(lambda given: {"name": name, **given})


def tap_options(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return some(
        bridge=st.sampled_from(["b0", "b1"]),
        owner=st.sampled_from(["1000", "1001"]),
        group=st.sampled_from(["100", "101"]),
        multi_queue=st.booleans(),
        vnet_hdr=st.booleans(),
        mtu=MTUS,
        isolated=st.booleans(),
        mac=MACS,
        up=st.booleans(),
        adopt=st.booleans(),
        state=STATES,
    ).map(lambda given: {"name": name, **given})


def options_of(route: Route) -> dict[str, Any]:
    return {"dst": route.dst, "gateway": route.gateway, "metric": route.metric}


@st.composite
def end_options(draw, place: tuple[str | None, str], first_name: str, number: int) -> dict[str, Any]:
    netns, ifname = place
    addresses = tuple(draw(ADDRESS_LISTS))
    routes = [route for route in possible_routes(addresses, number) if draw(st.booleans())]
    more = draw(some(mac=MACS, mtu=MTUS, addresses=st.just(list(addresses))))
    if "addresses" in more:
        more.update(draw(some(routes=st.just([options_of(route) for route in routes]))))
    if netns is None:
        more.update(draw(some(bridge=st.just("b0"))))
    return {"name": first_name, "netns": netns, "ifname": ifname, **more}


@st.composite
def veth_options(draw, name: str) -> dict[str, Any]:
    number = int(name[1:])
    near = draw(end_options(draw(st.sampled_from(near_places(number))), name, 40 + number))
    peer = draw(end_options(draw(st.sampled_from(peer_places(number))), f"w{number}", 50 + number))
    return {**near, "peer": peer, "adopt": draw(st.booleans()), "state": draw(STATES)}


def netns_options(name: str) -> st.SearchStrategy[dict[str, Any]]:
    sysctls = some(**{key: st.sampled_from(values) for key, values in SYSCTLS.items()})
    return some(sysctls=sysctls, adopt=st.booleans(), state=STATES).map(lambda given: {"name": name, **given})


KINDS = {
    "bridge": (Bridge, bridge_hosts(), bridge_options, ["b0", "b1", "b2"]),
    "tap": (Tap, tap_hosts(), tap_options, ["t0", "t1", "t2"]),
    "veth": (Veth, veth_hosts(), veth_options, ["v0", "v1"]),
    "netns": (Netns, netns_hosts(), netns_options, ["n0", "n1", "n2"]),
}


class Case:
    """A host and a task that is not refused."""

    def __init__(self, data: Any, kind: str) -> None:
        self.spec, hosts, options, names = KINDS[kind]
        self.kernel = Kernel(data.draw(hosts), promote_secondaries=data.draw(st.booleans()))
        for number, netns in enumerate(netns for netns in self.kernel.spaces if netns):
            self.kernel.spaces[netns]["lo"] = replace(LOOPBACK, up=True, alias=MARK if number % 2 else None)
            values = {key: st.sampled_from(values) for key, values in SYSCTLS.items()}
            self.kernel.sysctls[netns] = data.draw(st.fixed_dictionaries(values)) if kind == "netns" else {}
        if kind == "bridge":
            self.kernel.sysctls[None] = data.draw(settings_of(self.kernel))
        chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
        self.config = [data.draw(options(name)) for name in chosen]
        purge = data.draw(st.booleans())
        self.before = copied(self.kernel)
        try:
            self.wants, self.purge = parse(self.spec, {"config": self.config, "purge": purge})
            world = self.kernel.world(self.wants)
            strays = self.spec.strays(self.wants, world) if purge else ()
            self.changes = plan(self.wants, world, strays)
            assume(not world.missing)
        except SpecError:
            assume(False)
        self.steps = [step for change in self.changes for step in change.steps]
        note("\n".join(step.line for step in self.steps))

    def lasting(self, kernel: Kernel) -> dict[str, Any]:
        """The state without what the run takes away for a moment though nobody listed it: who kills it has it lost."""
        remade = any(change.after and any(step.op == "link_del" for step in change.steps) for change in self.changes)
        forgotten = ("routes",) if any(step.op == "route_replace" for step in self.steps) else ()
        return {
            key: value
            for key, value in self.state(kernel).items()
            if key.endswith("unfinished") or not (remade or key.endswith(forgotten))
        }

    def run(self, kernel: Kernel, fails_at: int | None = None) -> dict[str, Any]:
        return run(self.spec, Adapter(kernel, fails_at), self.wants, self.purge)

    def state(self, kernel: Kernel) -> dict[str, Any]:
        return state(kernel, self.wants)


every_kind = pytest.mark.parametrize("kind", KINDS)
laws = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@every_kind
@laws
@given(st.data())
def test_what_was_applied_leaves_nothing_to_do(kind, data):
    case = Case(data, kind)
    assert case.run(case.kernel)["changed"] == bool(case.steps)
    nothing = dict.fromkeys(("commands", "before", "after", "repaired", "warnings"), [])
    assert case.run(case.kernel) == {"changed": False, **nothing}


@every_kind
@laws
@given(st.data())
def test_check_mode_says_what_would_be_done_and_does_nothing(kind, data):
    case = Case(data, kind)
    said = run(case.spec, Adapter(case.kernel), case.wants, case.purge, check=True)
    assert case.state(case.kernel) == case.state(case.before)
    assert said == case.run(case.kernel)


@every_kind
@laws
@given(st.data())
def test_a_step_that_fails_undoes_all_before_it(kind, data):
    case = Case(data, kind)
    assume(case.steps)
    with pytest.raises(HostError, match="injected. Everything is as it was before"):
        case.run(case.kernel, fails_at=data.draw(st.integers(0, len(case.steps) - 1)))
    assert case.state(case.kernel) == case.state(case.before)


@every_kind
@laws
@given(st.data())
def test_a_run_killed_after_any_step_is_completed_by_the_next(kind, data):
    case = Case(data, kind)
    whole, killed = copied(case.kernel), case.kernel
    case.run(whole)
    killed.run(case.steps[: data.draw(st.integers(0, len(case.steps)))])
    case.run(killed)
    assert case.run(killed)["changed"] is False
    assert case.lasting(killed) == case.lasting(whole)
    assert case.state(killed).keys() == case.state(whole).keys()


@every_kind
@laws
@given(st.data())
def test_the_order_of_the_list_makes_no_difference(kind, data):
    case = Case(data, kind)
    other = copied(case.kernel)
    shuffled, _purge = parse(case.spec, {"config": data.draw(st.permutations(case.config))})
    case.run(case.kernel)
    run(case.spec, Adapter(other), shuffled, case.purge)
    assert case.state(other) == case.state(case.kernel)


@every_kind
@laws
@given(st.data())
def test_what_is_not_listed_and_not_ours_stays(kind, data):
    case = Case(data, kind)
    world = case.before.world()
    keys = {place for change in case.changes for place in places(change)}
    case.run(case.kernel)
    after = case.kernel.world()
    for netns in set(world.namespaces()) & set(after.namespaces()):
        for name, link in world.links(netns).items():
            # What a bridge does with its ports is said by other tests.
            if (netns, name) not in keys and kind != "bridge":
                assert after.links(netns)[name] == link


def places(change: Any) -> list[tuple[str | None, str]]:
    if isinstance(change.key, str):
        return [(change.key, "lo")]
    sides = [side for side in (change.before, change.after) if side]
    return [end.key for side in sides for end in (side.ends() if side.kind == "veth" else [side])]
