import pytest

from espark.errors import DeviceError
from espark.models.devices import choose_device


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(DeviceError, match="not a device"):
        choose_device("toaster")
    with pytest.raises(DeviceError, match="no device"):
        choose_device("cuda:99")
