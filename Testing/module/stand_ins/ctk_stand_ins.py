"""Plain stand-ins for the ctk widgets of the panel, with the properties, signals and slots of their C++ headers."""

from __future__ import annotations

from PySide6.QtCore import Property, QChildEvent, QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)
from pythonqt_adapter import invokable


class Folding:
    """How ctk folds contents: what is shown or hidden while they are folded becomes so when they unfold."""

    def setFolded(self, folded: bool, height: int) -> None:
        self._folded = folded
        self.setMaximumHeight(height if folded else 16777215)
        self._forcing = True
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if folded:
                child.setProperty("visibilityToParent", not child.isHidden())
                child.hide()
            elif child.property("visibilityToParent") is not False:
                child.show()
        self._forcing = False
        self.updateGeometry()

    def childEvent(self, event: QChildEvent) -> None:
        if event.added() and event.child().isWidgetType():
            event.child().installEventFilter(self)

    def eventFilter(self, child: QObject, event: QEvent) -> bool:
        if self._folded and not self._forcing and event.type() in (
            QEvent.Type.ShowToParent, QEvent.Type.HideToParent,
        ):  # fmt: skip
            shown = event.type() == QEvent.Type.ShowToParent
            child.setProperty("visibilityToParent", shown)
            if shown:
                self._forcing = True
                child.hide()
                self._forcing = False
        return False


class ctkCollapsibleButton(Folding, QWidget):
    """A section with a header that hides its contents (QAbstractButton in ctk)."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        QWidget.__init__(self, parent)
        self._folded, self._text, self._forcing = False, "", False
        self._header = self.fontMetrics().height() + 10
        self.setContentsMargins(0, self._header, 0, 0)

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed != self._folded:
            self.setFolded(collapsed, self._header)
            self.contentsCollapsed.emit(collapsed)

    text = Property(str, lambda self: self._text, _set_text)
    collapsed = Property(bool, lambda self: self._folded, _set_collapsed, notify=contentsCollapsed)

    def sizeHint(self) -> QSize:
        return QSize(200, self._header) if self._folded else QWidget.sizeHint(self)

    def minimumSizeHint(self) -> QSize:
        return QSize(50, self._header) if self._folded else QWidget.minimumSizeHint(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.position().y() < self._header:
            self._set_collapsed(not self._folded)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect = self.rect().adjusted(0, 0, 0, self._header - self.height())
        self.style().drawControl(QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        arrow = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        if not self._folded:
            arrow = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        option.rect = option.rect.adjusted(6, 6, 18 - self.width(), -6)
        self.style().drawPrimitive(arrow, option, painter, self)
        painter.setPen(self.palette().color(QPalette.ColorRole.ButtonText))
        painter.drawText(26, 0, self.width() - 30, self._header, Qt.AlignmentFlag.AlignVCenter, self._text)


class ctkCollapsibleGroupBox(Folding, QGroupBox):
    """A group box whose tick hides the contents."""

    def __init__(self, parent: QWidget | None = None) -> None:
        QGroupBox.__init__(self, parent)
        self._folded = self._forcing = False
        self.setCheckable(True)
        self.toggled.connect(lambda on: self._set_collapsed(not on))

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed != self._folded:
            self.setFolded(collapsed, self.fontMetrics().height() + 8)
            self.setChecked(not collapsed)

    collapsed = Property(bool, lambda self: self._folded, _set_collapsed)


class ctkSliderWidget(QWidget):
    """A slider with a spin box. Without tracking the value changes when the slider is let go."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box, self._slider = QDoubleSpinBox(), QSlider(Qt.Orientation.Horizontal)
        self._tracking, self._step, self._value = True, 1.0, 0.0
        self._box.setRange(0, 99)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._scale()
        self._slider.valueChanged.connect(self._slider_moved)
        self._slider.sliderReleased.connect(lambda: self._set_value(self._slider.value() * self._step))
        self._box.valueChanged.connect(self._set_value)

    def _scale(self) -> None:
        self._slider.blockSignals(True)
        self._slider.setRange(round(self._box.minimum() / self._step), round(self._box.maximum() / self._step))
        self._slider.setValue(round(self._box.value() / self._step))
        self._slider.blockSignals(False)

    def _slider_moved(self, position: int) -> None:
        if self._slider.isSliderDown() and not self._tracking:
            self.valueIsChanging.emit(position * self._step)
        else:
            self._set_value(position * self._step)

    def _set_value(self, value: float) -> None:
        value = round(min(max(value, self._box.minimum()), self._box.maximum()), self._box.decimals())
        changed, self._value = value != self._value, value
        for widget, shown in ((self._box, value), (self._slider, round(value / self._step))):
            widget.blockSignals(True)
            widget.setValue(shown)
            widget.blockSignals(False)
        if changed:
            self.valueChanged.emit(value)

    def _set_tracking(self, tracking: bool) -> None:
        self._tracking = tracking
        self._box.setKeyboardTracking(tracking)

    def _set_step(self, step: float) -> None:
        self._step = step
        self._box.setSingleStep(step)
        self._scale()

    def _set_minimum(self, minimum: float) -> None:
        self._box.setMinimum(minimum)
        self._scale()
        self._set_value(self._value)

    def _set_maximum(self, maximum: float) -> None:
        self._box.setMaximum(maximum)
        self._scale()
        self._set_value(self._value)

    value = Property(float, lambda self: self._value, _set_value)
    minimum = Property(float, lambda self: self._box.minimum(), _set_minimum)
    maximum = Property(float, lambda self: self._box.maximum(), _set_maximum)
    singleStep = Property(float, lambda self: self._step, _set_step)
    pageStep = Property(float, lambda self: self._slider.pageStep() * self._step,
                        lambda self, step: self._slider.setPageStep(round(step / self._step)))  # fmt: skip
    decimals = Property(int, lambda self: self._box.decimals(), lambda self, number: self._box.setDecimals(number))
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, text: self._box.setSuffix(text))
    tracking = Property(bool, lambda self: self._tracking, _set_tracking)


class ctkPathLineEdit(QWidget):
    """A path to type, with history, and a button to look for it."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line, self._button = QComboBox(), QToolButton()
        self._line.setEditable(True)
        self._line.setMinimumContentsLength(8)
        self._line.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._button.setText("...")
        self._filters, self._name_filters, self._key = "Files", [], ""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button)
        self._line.editTextChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(self.browse)

    @invokable
    def browse(self) -> None:
        if "Dirs" in self._filters:
            path = QFileDialog.getExistingDirectory(self)
        else:
            path = QFileDialog.getOpenFileName(self)[0]
        if path:
            self._line.setEditText(path)

    @invokable
    def addCurrentPathToHistory(self) -> None:
        self._line.addItem(self._line.currentText())

    def _set_filters(self, filters: str) -> None:
        self._filters = filters

    def _set_name_filters(self, filters: list) -> None:
        self._name_filters = filters

    def _set_key(self, key: str) -> None:
        self._key = key

    currentPath = Property(str, lambda self: self._line.currentText(), lambda self, text: self._line.setEditText(text))
    filters = Property(str, lambda self: self._filters, _set_filters)
    nameFilters = Property("QStringList", lambda self: self._name_filters, _set_name_filters)
    settingKey = Property(str, lambda self: self._key, _set_key)


CTK = {cls.__name__: cls for cls in (ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkSliderWidget, ctkPathLineEdit)}
