"""Every row of the table, in the order in which it is printed."""

from . import (
    chat_features,
    completion_features,
    error_features,
    extension_features,
    messages_features,
    operation_features,
    output_features,
    responses_features,
    sampling_features,
)
from .feature import Feature

FEATURES: tuple[Feature, ...] = (
    *chat_features.FEATURES,
    *sampling_features.FEATURES,
    *output_features.FEATURES,
    *extension_features.FEATURES,
    *completion_features.FEATURES,
    *responses_features.FEATURES,
    *messages_features.FEATURES,
    *error_features.OF_MESSAGES,
    *operation_features.FEATURES,
    *error_features.FEATURES,
)
