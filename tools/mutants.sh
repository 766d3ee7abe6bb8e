#!/bin/sh
# Change the code by small slips, and tell which of them no test notices.
#
#   sh tools/mutants.sh execute                  a package of watcher_tsmig
#   sh tools/mutants.sh execute/follow.py agent  or modules of it
#   sh tools/mutants.sh plugin --sample 200 --seed 1
#
# Works on a copy; the checkout is never changed. A slip takes a second or a
# few, so a package is an hour's work: `--sample` draws from all slips of what
# is named, each as likely as another. Interrupt it at any time: what was
# found until then is told. `--help` tells the rest.
#
# Not in continuous integration, and nothing that the tests need: cosmic-ray,
# which makes most of the slips, is installed here.

. "$(dirname -- "$0")/venv.sh"

if ! "$BIN/python" -c 'import cosmic_ray.ast' >/dev/null 2>&1; then
    # of what else it needs, nothing is needed here
    "$BIN/python" -m pip install -qq --disable-pip-version-check --no-deps \
        cosmic-ray==8.7.0 parso==0.8.5 || exit 1
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$BIN/python" -W ignore -m tools.mutants "$@"
