"""The look-up of the policy rules about a node finds what holding each rule against it would."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from nscompile.lower.policy import _decides, _ends, _Index
from nscompile.model import Peer, Policy
from nscompile.source import Source, Span

ADDRESSES = ["10.0.0.1", "10.0.1.1", "192.0.2.1", "2001:db8::1"]
PREFIXES = ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/64", "::/0"]
SPAN = Span(Source("lab.nsl", ""), 0, 0)

peers = st.one_of(
    st.just(Peer()),
    st.sampled_from("abc").map(Peer),
    st.sampled_from(PREFIXES).map(lambda prefix: Peer(prefix=ip_network(prefix))),
)
policies = st.builds(Policy, st.booleans(), peers, peers, st.none(), st.none(), st.booleans(), st.just(SPAN))


@given(st.lists(policies, max_size=8), st.sampled_from(["INPUT", "OUTPUT"]), st.lists(st.sampled_from(ADDRESSES)))
def test_the_rules_about_a_node_are_found(rules: list[Policy], chain: str, addresses: list[str]) -> None:
    owned = [ip_address(address) for address in addresses]

    def concerns(policy: Policy) -> bool:
        own, far = _ends(policy, chain)
        in_prefix = own.prefix is not None and any(ip in own.prefix for ip in owned)
        return (own in {Peer(), Peer("a")} or in_prefix) and far != Peer("a")

    concerned = [policy for policy in rules if concerns(policy)]
    expected = concerned if any(_decides(policy, chain) for policy in concerned) else []
    assert _Index(rules, chain).concerning("a", owned) == expected
