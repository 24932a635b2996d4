"""What somebody reads who may look at some queues only: nothing of other queues."""

import json

import pytest

from routing_weights.api.foreign import without_foreign
from routing_weights.application.forecast import Forecasting
from routing_weights.charts.projection import chart
from routing_weights.domain.access import queue_not_found
from routing_weights.domain.neighbours import Neighbour, Neighbours
from routing_weights.domain.volume import StatedVolume
from routing_weights.errors import ForecastMissing
from routing_weights.projection.checks import saturation
from routing_weights.projection.checks.service_level import SERVICE_LEVEL
from routing_weights.projection.inputs import Carried, Forecast
from tests.support.fakes import plan

OWN, FOREIGN = "7c6a3a4e-0000-4000-8000-00000000000a", "7c6a3a4e-0000-4000-8000-00000000000b"
MINE = frozenset({OWN})


def seen(document):
    return without_foreign(document, MINE)


def carried():
    forecast = Forecast(4.5, "genesys_wfm", 90_000.0, "planning group of the other division", stale=True)
    return Forecast(2.0, "plan", carried=(Carried(FOREIGN, 2, 6, forecast), Carried(OWN, 1, 4, Forecast(1.0, "plan"))))


def test_the_sentence_about_shared_agents_names_no_foreign_queue_and_no_part_of_its_load():
    assert FOREIGN in saturation.carried(carried())
    sentence = seen(saturation.carried(carried()))
    assert FOREIGN not in sentence
    assert "1.5 erlangs of another queue" in sentence
    assert "33%" not in sentence
    assert f"of queue {OWN}, 25% of its load" in sentence


@pytest.mark.parametrize(
    "text",
    [
        f"skill s-1 carries the weights of queue {FOREIGN}: name another one",
        f"nothing says what queue {FOREIGN} expects: give its forecast, or push one",
        f"the forecast of queue {FOREIGN} is 25.0 h old",
        f"handle time 300 s of queue {FOREIGN} is assumed",
        f"Queue {FOREIGN} has 1 active agent. Push one with PUT /queues/{FOREIGN}/forecast.",
    ],
)
def test_a_sentence_names_no_foreign_queue(text):
    assert FOREIGN not in seen(text)
    assert "nother queue" in seen(text)
    assert without_foreign(text, None) == text
    own = text.replace(FOREIGN, OWN)
    assert seen(own) == own


def test_an_id_that_the_person_has_named_stays_in_the_answer():
    message = queue_not_found(FOREIGN).message
    assert seen({"type": "/problems/queue-not-found", "detail": message})["detail"] == message


def test_words_of_people_stay():
    words = {"reason": "Moved to queue 2. The queue is busy; see queue north-east."}
    assert seen(words) == words


def test_an_entry_about_a_foreign_queue_is_left_out_and_its_load_is_part_of_a_sum():
    queues = [
        {"queue_id": queue_id, "load": load, "of_load": 9.0, "source": "pushed", "detail": detail}
        for queue_id, load, detail in ((OWN, 1.0, "mine"), (FOREIGN, 1.5, "secret"), ("foreign-2", 0.5, "secret"))
    ]
    document = {
        "queue_id": OWN,
        "projection": {
            "neighbours": {"own_load": 2.0, "queues": queues},
            "models": {"shared_with": [{"queue_id": FOREIGN, "offered": 20, "detail": "secret"}]},
        },
        "errors": [{"message": "The agents of foreign-2 are busy."}],
    }
    shown = seen(document)
    assert shown["projection"]["neighbours"]["queues"] == queues[:1]
    assert shown["projection"]["neighbours"]["not_shown"] == {"queues": 2, "load": 2.0}
    assert shown["projection"]["models"]["shared_with"] == []
    text = json.dumps(shown)
    assert not any(word in text for word in (FOREIGN, "foreign-2", "secret"))
    assert without_foreign(document, None) == document
    picture = chart(shown["projection"], queue_id=OWN)
    assert "erlangs of queues that are not yours (2)" in picture


def test_a_missing_forecast_of_a_neighbour_says_nothing_of_it():
    forecasting = Forecasting(("plan", "default"), None, None, "", 3600.0, None, lambda: 0.0)
    own = plan(queue_id=OWN, forecast=StatedVolume(offered=10, interval_s=1800, aht_s=300).model_dump())
    with pytest.raises(ForecastMissing) as missing:
        forecasting.forecast_for(own, Neighbours(counted=(Neighbour(queue_id=FOREIGN, shared=1, agents=2),)))
    assert FOREIGN in missing.value.message
    assert seen(missing.value.message) == (
        f"Another queue of the same fleet shares agents with queue {OWN}. Nothing says what load it expects."
    )


def test_doubts_about_the_forecast_of_a_foreign_queue_do_not_name_it():
    doubts = SERVICE_LEVEL.doubts(type("Outlook", (), {"others": (), "goal": GOAL})(), carried())
    assert any(FOREIGN in doubt for doubt in doubts)
    assert not any(FOREIGN in doubt for doubt in seen(list(doubts)))


GOAL = type("Goal", (), {"source": "queue", "service_level": 0.8, "answer_within_s": 20})()
