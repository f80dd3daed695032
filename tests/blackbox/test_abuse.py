"""Load and abuse: nothing grows without a bound, whoever is refused is told when to come again, and a well-behaved client gets its certificate meanwhile. What is
asserted of time is generous, for machines that do other things too; bench/abuse.py prints the same scenarios' figures."""
import pytest

import abuse
from harness import SANITIZED

LATE_S = 60 if SANITIZED else 20  # a whole issuance meanwhile; 2 s on a machine that does nothing else
SMALL = 5 if SANITIZED else 1     # how many times fewer


def served(figures):
    assert figures["slowest_s"] < LATE_S and figures["after_s"] < LATE_S, figures
    return figures


def test_overload():
    """Several times what the queue takes, at once: who has no place hears when to come again and is served then; issuances that are under way end well."""
    figures = served(abuse.overload(1500, bursts=2))
    assert set(figures["statuses"]) == {201, 503} and figures["overloaded"] >= figures["statuses"][503] > 0, figures
    assert figures["statuses"][201] >= 512, figures  # what has a place is done
    assert all(int(value) > 0 for value in figures["retry_after"]), figures
    assert figures["came_again"].get(201, 0) > 0 and set(figures["came_again"]) <= {201, 503}, figures
    assert figures["recovery_s"] < LATE_S, figures


def test_a_flood_of_nonces():
    """Somebody else's nonce is as good as before."""
    figures = served(abuse.nonce_flood())
    assert figures["nonces"] > 5000 // SMALL and figures["kept_status"] == 201, figures


def test_half_open_handshakes():
    """As many as there are places at all; each thread that accepts may just have one more in its hands."""
    figures = served(abuse.half_open_handshakes())
    assert 4000 < figures["connections"] <= 5000 + 2 and figures["ended"] > 0, figures


def test_slow_requests():
    """They are told 408, or just ended."""
    figures = served(abuse.slow_requests(600 // SMALL))
    assert figures["answers"] == [408] and figures["ended"] >= 600 // SMALL, figures


def test_hosts_that_never_answer():
    """One account may take half of the places, the next half of what is left: there is always room for whoever comes."""
    figures = served(abuse.hosts_that_never_answer())
    assert 256 < figures["waiting_of_one_account"] <= 512 and figures["begun"] + figures["told"] == 3000, figures
    assert 512 < figures["waiting"] < 1024 and figures["told"] > 0, figures


def test_a_maze_of_redirects():
    number = 60 // SMALL
    figures = served(abuse.redirect_maze(number))
    assert len(figures["problems"]) == number and figures["steps"] == 11 * number, figures
    for kind, detail in figures["problems"].values():
        assert kind == "connection" and "one more redirect after 10" in detail, detail


@pytest.fixture(scope="module")
def lies():
    return served(abuse.dns_that_lies())["problems"]


@pytest.mark.parametrize("lie", abuse.LIES)
def test_dns_that_lies(lies, lie):
    """Nothing of it is taken for an answer."""
    assert len(lies[lie]) == 5
    for kind, detail in lies[lie]:
        assert kind == "dns" and lie in detail, (kind, detail)
