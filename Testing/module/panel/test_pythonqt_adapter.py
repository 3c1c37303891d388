"""The adapter is strict where PythonQt is; a slip in the panel would otherwise pass here and fail in Slicer."""

from __future__ import annotations

import pytest
import pythonqt_adapter
from panel_loader import ctk
from pythonqt_adapter import QtModule, wrap
from qmrml_stand_ins import qMRMLNodeComboBox

qt = QtModule("qt")
pytestmark = pytest.mark.usefixtures("faultless")


def test_properties_are_attributes_and_cannot_be_called() -> None:
    label = qt.QLabel()
    label.text = "knee"
    assert label.text == "knee"
    with pytest.raises(TypeError):
        label.text()


def test_methods_stay_methods() -> None:
    button = qt.QPushButton("go")
    button.setEnabled(False)
    assert button.enabled is False
    assert button.className() if hasattr(button, "className") else True
    assert button.layout() is None


@pytest.mark.parametrize("name", ["txt", "setTxt", "exec", "_qtt"])
def test_unknown_names_raise(name: str) -> None:
    label = qt.QLabel()
    with pytest.raises(AttributeError):
        getattr(label, name)
    with pytest.raises(AttributeError):
        setattr(label, name, "x")


def test_wrong_types_and_read_only_properties_raise() -> None:
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="QString"):
        label.text = 5
    with pytest.raises(AttributeError, match="not writable"):
        qt.QComboBox().count = 3


def test_own_data_cannot_be_hung_on_widgets_but_dynamic_properties_can() -> None:
    button = qt.QPushButton()
    button.setProperty("SlicerParameterName", "slices")
    assert button.SlicerParameterName == "slices"
    assert button.property("SlicerParameterName") == "slices"


def test_isinstance_matches_the_exact_class_only() -> None:
    assert isinstance(qt.QLabel(), qt.QLabel)
    assert not isinstance(qt.QLabel(), qt.QWidget)


def test_slots_receive_only_what_they_take() -> None:
    heard: list = []
    box = qt.QCheckBox()
    box.connect("toggled(bool)", lambda: heard.append("none"))
    box.toggled.connect(lambda on: heard.append(on))
    box.toggled.connect(lambda *arguments: heard.append(arguments))
    # the pitfall: a default value is an argument and gets the flag
    box.toggled.connect(lambda number=7: heard.append(number))
    box.checked = True
    assert heard == ["none", True, (True,), True]


def test_unknown_signal_in_text_form_raises() -> None:
    with pytest.raises(AttributeError, match="clicked\\(int\\)"):
        qt.QPushButton().connect("clicked(int)", print)
    # gone in Qt 6
    with pytest.raises(AttributeError):
        qt.QComboBox().connect("currentIndexChanged(QString)", print)


def test_disconnect_knows_bound_methods_and_answers_false_for_strangers() -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard = 0

        def hear(self) -> None:
            self.heard += 1

    listener, button = Listener(), qt.QPushButton()
    button.connect("clicked(bool)", listener.hear)
    button.click()
    assert button.disconnect("clicked(bool)", listener.hear) is True
    assert button.disconnect("clicked(bool)", listener.hear) is False
    button.click()
    assert listener.heard == 1


def test_exception_in_a_slot_goes_no_further_but_is_kept(capsys: pytest.CaptureFixture) -> None:
    button = qt.QPushButton()
    button.connect("clicked(bool)", lambda: 1 / 0)
    button.click()
    assert "ZeroDivisionError" in pythonqt_adapter.faults.pop()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_enums_are_whole_numbers_and_flags_combine() -> None:
    assert int(qt.QProcess.CrashExit) == 1
    label = qt.QLabel()
    label.setAlignment(qt.Qt.AlignLeft | qt.Qt.AlignTop)
    assert int(label.alignment) == int(qt.Qt.AlignLeft) | int(qt.Qt.AlignTop)
    assert qt.QProcess().state() == qt.QProcess.NotRunning


def test_bytes_come_out_of_byte_arrays() -> None:
    assert qt.QByteArray(b"abc").data() == b"abc"


def test_destroyed_objects_raise_value_error() -> None:
    import shiboken6

    label = qt.QLabel()
    shiboken6.delete(label._qt)
    with pytest.raises(ValueError, match="destroyed"):
        label.text  # noqa: B018


def test_qt_classes_cannot_be_subclassed() -> None:
    with pytest.raises(TypeError):

        class Mine(qt.QWidget):
            pass


@pytest.mark.parametrize("name", ["Signal", "Slot", "QTextCodec", "QRegExp"])
def test_what_slicers_qt_lacks_is_absent(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(qt, name)


def test_stand_ins_show_only_what_their_originals_do() -> None:
    box = wrap(qMRMLNodeComboBox())
    assert box.currentNode() is None
    assert box.noneEnabled is False
    for hidden in ("_fill", "_select", "isinstance", "addNodes"):
        with pytest.raises(AttributeError):
            getattr(box, hidden)
    slider = ctk.ctkSliderWidget()
    slider.maximum = 500.0
    slider.value = 50.0
    assert slider.value == 50.0
    with pytest.raises(TypeError):
        slider.value()


def test_slider_without_tracking_changes_when_it_is_let_go() -> None:
    heard: list = []
    slider = ctk.ctkSliderWidget()
    slider.maximum, slider.tracking = 500.0, False
    slider.connect("valueChanged(double)", lambda value: heard.append(value))
    slider.connect("valueIsChanging(double)", lambda value: heard.append(-value))
    inner = slider._qt._slider
    inner.setSliderDown(True)
    inner.setSliderPosition(200)
    inner.setSliderDown(False)
    assert heard[-1] == 200.0
    assert slider.value == 200.0
