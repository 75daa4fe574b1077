"""The program of a Python worker: scores Arrow batches with one MLflow model.

It runs in the model's own environment, which need hold only pyarrow and pandas beside the model's packages. Descriptor 0 is a
socket to the service: frames of a JSON header and a body (an Arrow IPC stream), answered one by one. Descriptor 1 is the read end
of a pipe that the service holds open for life. Standard output is sent to standard error, so that a model may print.

The binary holds these files; ``start.py`` makes them importable in the worker, where no directory has them.
"""
