#!/usr/bin/python3
"""Harms a running service in every way that is known, and says what its users saw.

    run.py [--brief] [--list] [NAME...]        all of them, or those whose names begin so
"""
import sys
import time

import lab
import catalogue  # noqa: F401  pylint: disable=unused-import


def main():
    words = sys.argv[1:]
    brief = "--brief" in words
    names = [word for word in words if not word.startswith("-")]
    if "--list" in words:
        for name, function in lab.FAULTS.items():
            print(f"{name:20} {function.about}")
        return 0
    chosen = [name for name in lab.FAULTS if not names or any(name.startswith(one) for one in names)]
    if not chosen:
        print(f"no fault is called {' or '.join(names)}: see --list", file=sys.stderr)
        return 2
    failed = {}
    begun = time.monotonic()
    for one in lab.new_lab(brief):
        for name in chosen:
            try:
                failures = one.run(name)
            except Exception as problem:  # pylint: disable=broad-except
                lab.Lab.show(f"FAIL  {type(problem).__name__}: {problem}")
                failures = [str(problem)]
            if failures:
                failed[name] = failures
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed in "
          f"{time.monotonic() - begun:.0f} s" + (": " + " ".join(failed) if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
