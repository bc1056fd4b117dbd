"""Builds the compiled part of the measuring loop beside its source, as the package is installed or a wheel is made.

The compiler is ``$CC`` or ``cc``, else Zig's, which is fetched from PyPI for the build alone. Where none works the
package is installed all the same: its loop then runs in Python, and takes more processor time.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/upperbound/loadgen/loop.c")
LIBRARY = SOURCE.with_name("_loop.so")
FLAGS = ("-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden")
ZIG = "ziglang==0.17.1"


class CompiledLoopHook(BuildHookInterface[Any]):
    """Compiles ``loop.c``."""

    def dependencies(self) -> list[str]:
        """Return what the build needs besides: a compiler, where the system has none."""
        return [] if _system_compiler() else [ZIG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the library packed into a wheel of this platform."""
        del version
        if self.target_name != "wheel" or not self._compile():
            return
        build_data["artifacts"].append(f"/{LIBRARY}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _compile(self) -> bool:
        compiler = _system_compiler() or [sys.executable, "-m", "ziglang", "cc"]
        root = Path(self.root)
        fresh = root / LIBRARY.with_suffix(f".{os.getpid()}.so")
        try:
            subprocess.run([*compiler, *FLAGS, "-o", str(fresh), str(root / SOURCE)], check=True)
            fresh.replace(root / LIBRARY)  # processes that have the old one open go on with it
        except (OSError, subprocess.CalledProcessError) as error:
            self.app.display_warning(f"{SOURCE} was not compiled, the loop will run in Python: {error}")
            return False
        finally:
            fresh.unlink(missing_ok=True)
        return True


def _system_compiler() -> list[str]:
    named = os.environ.get("CC", "").split()
    found = shutil.which("cc")
    return named or ([found] if found else [])
