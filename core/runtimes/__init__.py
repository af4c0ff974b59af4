"""What reads a model's file where it is served: ONNX Runtime, for models that say the same there."""

from prefect_mlops.core.runtimes.onnx import Converted, convert, largest_difference

__all__ = ["Converted", "convert", "largest_difference"]
