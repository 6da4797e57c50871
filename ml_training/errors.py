"""What can go wrong in the laboratory."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class DatasetInvalidError(PermanentError):
    code = "dataset_invalid"
    sentence = _("The dataset cannot be used: %(reason)s.")


class SplitLeakError(PermanentError):
    code = "split_leak"
    sentence = _("%(patients)s patients are in more than one split.")


class ConfigInvalidError(PermanentError):
    code = "config_invalid"
    sentence = _("The training configuration cannot be used: %(reason)s.")


class ExportParityError(PermanentError):
    code = "export_parity"
    sentence = _("The exported model differs from the trained one by %(difference)s.")


class DatasetExistsError(PermanentError):
    code = "dataset_exists"
    sentence = _("%(folder)s is there already: name another folder or remove it.")


class DatasetBuildRunningError(PermanentError):
    code = "dataset_build_running"
    sentence = _("Another process is building %(folder)s.")


class DatasetDamagedError(PermanentError):
    code = "dataset_damaged"
    sentence = _("The dataset is not what was built: %(reason)s.")


class DatasetSourceError(PermanentError):
    code = "dataset_source"
    sentence = _("This dataset was not built from the doctors' judgements.")


class ImageMissingError(PermanentError):
    code = "image_missing"
    sentence = _("The file of this image is not there.")


class RunBusyError(PermanentError):
    code = "run_busy"
    sentence = _("Another process is at work in %(folder)s.")


class RunInvalidError(PermanentError):
    code = "run_invalid"
    sentence = _("%(folder)s cannot be compared: %(reason)s.")


class ModelNotServableError(PermanentError):
    code = "model_not_servable"
    sentence = _("This network can be trained and compared, but not served: %(reason)s.")
