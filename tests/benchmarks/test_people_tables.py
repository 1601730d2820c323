from benchmarks.people_tables import people_tables

SPREAD = {"observed": 0.2, "noise": 0.4, "within_noise": True}


def estimate(value):
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value}


def point(people, value, over=None, **more):
    found = {} if over is None else {"SIMPLE a": estimate(over)}
    return {"people": people, "median": estimate(value), "ms": {"count": 9}, "over": found} | more


RESULT = {
    "model": {"name": "a"},
    "settings": {"precision": "int8"},
    "parts": [{"what": "decode alone", "rows": [], "spread": SPREAD}],
    "rivals": {
        "settings": {"people": [1, 30], "runtime": "openvino", "precision": "fp32", "size": 512},
        "rounds": 5,
        "references": ["SIMPLE a"],
        "series": [
            {"name": "SIMPLE a", "kind": "SIMPLE", "weights": "trained", "detector": "none", "points": [point(1, 100)]},
            {
                "name": "Crops",
                "kind": "top-down",
                "weights": "random",
                "detector": "before",
                "points": [point(1, 50, 0.5, way="one-by-one"), point(30, 1500, 15, way="batched")],
            },
        ],
    },
}


def test_times_have_intervals_and_say_what_is_random_and_batched():
    text = people_tables(RESULT)
    assert "| SIMPLE a | trained | - | 100.0 (90.0 to 110.0) | - |" in text
    assert "| Crops | random | SSDLite320 before | 50.0 (45.0 to 55.0) | 1500 (1350 to 1650) *b* |" in text
    assert "5 rounds with 9 to 9 timed runs" in text


def test_where_a_rival_is_faster_it_stands_in_bold():
    text = people_tables(RESULT)
    assert "| Crops | random | SSDLite320 before | **0.50 (0.45 to 0.55)** | 15.00 (13.50 to 16.50) |" in text


def test_a_result_without_rivals_has_the_one_engine_only():
    text = people_tables({key: value for key, value in RESULT.items() if key != "rivals"})
    assert "**within noise**" in text and "Times as long" not in text
