"""Launchers of many processes (SLURM, torchrun, MPI) leave words in the environment; a run on one device needs none."""

import os

_PREFIXES = ("SLURM_", "TORCHELASTIC_", "OMPI_COMM_", "PMI_", "PMIX_", "JSM_NAMESPACE_", "LSB_")
_NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE")


def forget_launcher() -> None:
    """Run as one process, whatever launched it: inside ``sbatch --ntasks=4`` or with a leftover ``RANK`` too.

    Lightning would take its share of a run whose other processes do not exist, or refuse to start.
    """
    for name in list(os.environ):
        if name in _NAMES or name.startswith(_PREFIXES):
            del os.environ[name]
