"""Signals: who is called, in which order, and that a faulty listener stops no one."""

from __future__ import annotations

from Xray2MRIModule.signal import JobSignals, Signal


def test_slots_are_called_in_order_until_they_are_disconnected():
    signal, calls = Signal(), []
    first = calls.append
    signal.connect(first)
    signal.connect(lambda value: calls.append(-value))
    signal.connect(None)
    signal.emit(1)
    signal.disconnect(first)
    signal.disconnect(print)
    signal.emit(2)
    signal.clear()
    signal.emit(3)
    assert calls == [1, -1, -2]


def test_a_faulty_slot_is_logged_and_the_others_are_called(caplog):
    signal, calls = Signal(), []

    def faulty(value):
        raise RuntimeError("in the panel")

    signal.connect(faulty)
    signal.connect(calls.append)
    signal.emit(1)
    assert calls == [1]
    assert "in the panel" in caplog.text


def test_a_slot_may_disconnect_itself_during_the_emission():
    signal, calls = Signal(), []

    def once():
        calls.append("once")
        signal.disconnect(once)

    signal.connect(once)
    signal.connect(lambda: calls.append("always"))
    signal.emit()
    signal.emit()
    assert calls == ["once", "always", "always"]


def test_the_signals_of_a_job_are_connected_by_the_names_of_the_callbacks():
    signals, calls = JobSignals(), []
    signals.connect(
        onProgress=lambda value: calls.append(("progress", value)), onDone=lambda value: calls.append(value)
    )
    signals.progress.emit(0.5)
    signals.slice.emit("unheard")
    signals.finished.emit("job")
    signals.clear()
    signals.failed.emit("unheard")
    signals.finished.emit("unheard")
    assert calls == [("progress", 0.5), "job"]
