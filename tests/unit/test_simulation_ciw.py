"""The simulation against `ciw`, a simulator that others keep: three queues whose rules both can express.

The two draw their own contacts, so a difference is judged by its own interval (Welch): each figure of a case at
1 - 0.05 / (figures of the case), so that a case holds in 95 % of honest runs. Seeds were fixed before the first run.
"""

import math
from itertools import pairwise

import ciw

from routing_weights.projection.simulation import Demand, Place, Scenario, Seat, simulate

REPLICATIONS = 10
HORIZON_S, WARM_UP_S = 50_000.0, 2000.0
STUDENT = 2.2622
"""Of 9 degrees at 0.975: what an interval of ours is made of."""
WELCH = {4: 2.93, 9: 3.37}
"""By the number of figures: Student's t of 12 degrees at 1 - 0.05 / (2 x figures)."""


def ciw_records(seed, agents, classes, priority=None):
    """One replication: of every contact its class, wait, whether it hung up, its agent, start and end of handling."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions={name: [ciw.dists.Exponential(rate)] for name, (rate, _, _) in classes.items()},
        service_distributions={name: [ciw.dists.Exponential(1 / aht)] for name, (_, aht, _) in classes.items()},
        reneging_time_distributions={name: [ciw.dists.Exponential(1 / p)] for name, (_, _, p) in classes.items()},
        number_of_servers=[agents],
        **({} if priority is None else {"server_priority_functions": [priority]}),
    )
    run = ciw.Simulation(network)
    run.simulate_until_max_time(WARM_UP_S + HORIZON_S + 1500)
    return [r for r in run.get_all_records() if r.record_type in {"service", "renege"}]


def ciw_figures(records, within_s, agents):
    """Of one replication, by name."""
    counted = [r for r in records if WARM_UP_S <= r.arrival_date < WARM_UP_S + HORIZON_S]
    served = [r for r in counted if r.record_type == "service"]
    end_s = WARM_UP_S + HORIZON_S
    busy = [0.0] * agents
    for r in records:
        if r.record_type == "service":
            overlap = min(r.service_end_date, end_s) - max(r.service_start_date, WARM_UP_S)
            busy[r.server_id - 1] += max(0.0, overlap)
    return {
        "service_level": sum(r.waiting_time <= within_s for r in served) / len(counted),
        "abandonment": 1 - len(served) / len(counted),
        "mean_wait_s": math.fsum(r.waiting_time for r in counted) / len(counted),
        "occupancy": math.fsum(busy) / agents / HORIZON_S,
        "busy": [seconds / HORIZON_S for seconds in busy],
    }


def assert_agrees(ours, theirs, figures):
    """An interval of ours and the values of theirs, one per replication, have the same mean."""
    mean = math.fsum(theirs) / len(theirs)
    variance = math.fsum((value - mean) ** 2 for value in theirs) / (len(theirs) - 1) / len(theirs)
    error = math.sqrt((ours.half_width / STUDENT) ** 2 + variance)
    assert error < max(0.01, 0.06 * abs(mean)), "so wide that anything would agree"
    assert abs(ours.mean - mean) <= WELCH[figures] * error, (ours, mean, error)


FIGURES = ("service_level", "abandonment", "mean_wait_s", "occupancy")


def one_queue(agents, calls, aht, patience, *, rule="joined", value=lambda _: 1.0):
    seats = tuple(Seat(f"agent-{i}", {"q": Place(value(i))}) for i in range(agents))
    return Scenario((Demand("q", calls / 1800, aht, patience, 20.0, rule),), seats)


def run(scenario):
    return simulate(scenario, seed=11, replications=REPLICATIONS, horizon_s=HORIZON_S, warm_up_s=WARM_UP_S)


def test_an_overloaded_queue_whose_callers_hang_up():
    ours = run(one_queue(9, 100, 180, 120)).queues["q"]
    classes = {"q": (100 / 1800, 180, 120)}
    theirs = [ciw_figures(ciw_records(seed, 9, classes), 20, 9) for seed in range(REPLICATIONS)]
    for figure in FIGURES:
        assert_agrees(getattr(ours, figure), [replication[figure] for replication in theirs], len(FIGURES))


def test_best_agent_first():
    """The figures of the queue are those of any rule; who is how busy is the rule's."""
    ours = run(one_queue(8, 60, 180, 90, rule="proficiency", value=lambda i: 5 - i / 2))
    classes = {"q": (60 / 1800, 180, 90)}
    theirs = [
        ciw_figures(ciw_records(seed, 8, classes, lambda server, _: server.id_number), 20, 8)
        for seed in range(REPLICATIONS)
    ]
    assert_agrees(ours.queues["q"].service_level, [replication["service_level"] for replication in theirs], 9)
    occupancies = [ours.agents[f"agent-{i}"].occupancy for i in range(8)]
    for number, occupancy in enumerate(occupancies):
        assert_agrees(occupancy, [replication["busy"][number] for replication in theirs], 9)
    assert all(better.mean > worse.mean for better, worse in pairwise(occupancies))


def test_two_queues_that_share_all_agents_in_one_line():
    """Longest waiting first over both, which is one line of two classes."""
    demands = (Demand("A", 100 / 1800, 180, 120, 20.0), Demand("B", 60 / 1800, 240, 60, 20.0))
    ours = run(Scenario(demands, tuple(Seat(f"s{i}", {"A": Place(), "B": Place()}) for i in range(18))))
    classes = {"A": (100 / 1800, 180, 120), "B": (60 / 1800, 240, 60)}
    replications = [ciw_records(seed, 18, classes) for seed in range(REPLICATIONS)]
    for queue in "AB":
        theirs = [ciw_figures([r for r in records if r.customer_class == queue], 20, 18) for records in replications]
        for figure in ("service_level", "abandonment"):
            assert_agrees(getattr(ours.queues[queue], figure), [values[figure] for values in theirs], 4)
