#!/usr/bin/env python3
"""Tell what this machine lacks for `make icebreaker` or `make test`, and how to get it.

Runs on a bare Python 3 without any package, an old one included: it must be able to say
that Python is too old. Exit status 0 when nothing that is needed is missing, 1 otherwise.
"""

import sys

try:
    import argparse
    import ctypes
    import os
    import shutil
    import subprocess
    import sysconfig
    import tempfile
except ImportError as error:  # Debian's python3-minimal has no more than its name says
    print(f"MISSING   Python's whole standard library ({error}): for everything")
    print("Get it with:\n    sudo apt-get install python3 python3-venv")
    sys.exit(1)

OLDEST_PYTHON = (3, 11)

# Modules of perl that the verilator program loads; a minimal Debian's perl-base lacks some.
PERL_MODULES = ("Getopt::Long", "Pod::Usage", "FindBin", "IO::File", "Data::Dumper")


class Check:
    """One thing to have: whether it is there, what for, and the Debian package it is in."""

    def __init__(self, name, found, what_for, package, needed=True):
        self.name = name
        self.found = found  # text that describes it, or None where it is missing
        self.what_for = what_for
        self.package = package
        self.needed = needed


def program_version(command, *arguments):
    """Return the first line a program prints, or None if it is not there or does not run."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        output = subprocess.check_output([path] + list(arguments), stderr=subprocess.STDOUT)
    except (OSError, subprocess.CalledProcessError):
        return None
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return f"{path} ({lines[0].strip()})" if lines else path


def python_version():
    version = "{}.{}.{}".format(*sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        return None
    return f"{sys.executable} ({version})"


def venv_module():
    """Debian splits the parts that `python3 -m venv` needs into a package of their own."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return None
    return "there"


def compiler():
    """A g++ that compiles and links C++, standard library and headers included."""
    version = program_version("g++", "--version")
    if version is None:
        return None
    folder = tempfile.mkdtemp(prefix="addgate-doctor-")
    try:
        source = os.path.join(folder, "probe.cpp")
        with open(source, "w") as handle:
            handle.write("#include <string>\nint main() { return std::string().size(); }\n")
        subprocess.check_output(
            ["g++", "-o", os.path.join(folder, "probe"), source], stderr=subprocess.STDOUT
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return version


def perl():
    uses = ["-M" + module for module in PERL_MODULES]
    if program_version("perl", *(uses + ["-e", "1"])) is None:
        return None
    return program_version("perl", "-e", "print $^X, ' ', $^V")


def shared_libpython():
    """The interpreter as a shared library, where cocotb's embedded interpreter looks for it."""
    version = "{}.{}".format(*sys.version_info[:2])
    names = [sysconfig.get_config_var("INSTSONAME"), sysconfig.get_config_var("LDLIBRARY")]
    names += [f"libpython{version}.so.1.0", f"libpython{version}.so"]
    names = [os.path.basename(name) for name in names if name and ".so" in name]
    folders = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    if multiarch:
        folders += [os.path.join("/usr/lib", multiarch), os.path.join("/lib", multiarch)]
    for folder in folders:
        for name in names:
            path = os.path.join(folder or "", name)
            if folder and os.path.exists(path):
                return path
    for name in names:  # last, whatever the dynamic loader knows
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


def checks(purpose):
    version = "{}.{}".format(*sys.version_info[:2])
    oldest = "{}.{}".format(*OLDEST_PYTHON)
    found = [
        Check(f"Python {oldest} or newer", python_version(), "everything", "python3"),
        Check("Python's venv module", venv_module(), "the environment .venv", "python3-venv"),
        Check("make", program_version("make", "--version"), "these commands", "make"),
        Check("g++", compiler(), "the simulated board", "g++"),
        Check("perl", perl(), "Verilator, which compiles the simulated board", "perl"),
    ]
    if purpose == "test":
        library = f"libpython{version}"
        found += [
            Check(
                f"shared {library}",
                shared_libpython(),
                "cocotb, which runs Python inside the simulator",
                library,
            ),
            Check(
                "iverilog",
                program_version("iverilog", "-V"),
                "the testbenches' second simulator; without it those runs are skipped",
                "iverilog",
                needed=False,
            ),
            Check(
                "icebox_vlog",
                shutil.which("icebox_vlog"),
                "python -m sim.levels, which unpacks the bitstream and simulates it; without it "
                "that level is skipped",
                "fpga-icestorm",
                needed=False,
            ),
        ]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=("demo", "test"),
        default="test",
        help="demo: what make icebreaker needs; test: what make test needs (default)",
    )
    parser.add_argument(
        "--packages", action="store_true", help="print the Debian packages that are needed"
    )
    parser.add_argument("--quiet", action="store_true", help="say only what is missing")
    options = parser.parse_args()

    found = checks(options.purpose)
    if options.packages:
        print(" ".join(check.package for check in found if check.needed))
        return 0
    missing = [check for check in found if check.found is None]
    for check in found:
        if check.found is not None and not options.quiet:
            print(f"ok        {check.name}: {check.found}")
    if python_version() is None:
        print(f"          this Python is {sys.version.split()[0]}: {sys.executable}")
    for check in missing:
        word = "MISSING " if check.needed else "optional"
        print(f"{word}  {check.name}: for {check.what_for}; Debian package: {check.package}")
    needed = [check for check in missing if check.needed]
    if missing:
        packages = " ".join(check.package for check in missing)
        print("Get {} with:".format("them" if len(missing) > 1 else "it"))
        print(f"    sudo apt-get install {packages}")
        print("or your system's package of that name. Another Python: make PYTHON=python3.12 ...")
    if needed:
        return 1
    if not options.quiet:
        print(
            "This machine has what make {} needs.".format(
                {"demo": "icebreaker", "test": "test"}[options.purpose]
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
