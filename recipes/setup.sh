# Sourced by the recipes and the tests: puts `seqkit` on the PATH, installing it where that is needed, and
# brings what recipes say their steps with.
#
#   . recipes/setup.sh [dev]      with `dev` also what the tests need
#
# Uses the virtual environment that is active, else .venv in the repository, made when it is missing. A second
# call finds everything in place and takes no time.

seqkit_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
seqkit_extra=""
if [ "${1:-}" = dev ]; then seqkit_extra=dev; fi # other words are the sourcing script's own

# Whether a command is a Python that runs, of a version that seqkit is tested with. (A shim may be there for one
# that does not run.)
seqkit_python_fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

# The Python to make .venv with: the one that is called python3 if it fits, else the newest that does.
seqkit_find_python() {
    local name version=""
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if seqkit_python_fits "$name"; then
            command -v "$name"
            return 0
        fi
        version="${version:-$("$name" --version 2>/dev/null)}" || version=""
    done
    echo "setup: error: ${version:-no python3} found; seqkit needs Python 3.11 to 3.14" >&2
    return 2
}

# pip install into the environment that is active, with a line on standard error every five seconds: a download
# takes minutes, and pip says either nothing or hundreds of lines. When it fails, the end of what it said is shown.
seqkit_pip_install() {
    local code=0 log="$VIRTUAL_ENV/.seqkit-installing-$$"
    : >"$log"
    # In a shell of its own, so that an interactive one does not announce a job. It ends when the file is gone.
    (seqkit_pip_progress "$log" </dev/null >&2 &)
    python -m pip install --progress-bar off --no-input --disable-pip-version-check \
        -c "$seqkit_root/constraints.txt" "$@" </dev/null >"$log" 2>&1 || code=$?
    if [ "$code" != 0 ]; then
        mv "$log" "$VIRTUAL_ENV/seqkit-setup.log"
        tail -n 20 "$VIRTUAL_ENV/seqkit-setup.log" >&2
        echo "setup: error: pip failed (exit code $code); all that it said is in $VIRTUAL_ENV/seqkit-setup.log" >&2
        return "$code"
    fi
    rm -f "$log"
}

seqkit_pip_progress() {
    local doing packages seconds=0
    while sleep 1 && [ -e "$1" ] && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 1))
        if [ $((seconds % 5)) = 0 ]; then
            packages="$(grep -c -E '^ *(Collecting|Processing|Requirement already satisfied)' "$1" 2>/dev/null)" ||
                packages="${packages:-0}"
            doing="$(sed -n -e 's/^ *\(Collecting\) \([A-Za-z0-9_.-]*\).*/: \1 \2/p' \
                -e 's/^ *\(Downloading\) .*\/\([^/-]*\).*/: \1 \2/p' \
                -e 's/^ *\(Downloading\) \([^/ -]*\)-.*/: \1 \2/p' \
                -e 's/^ *\(Installing build dependencies\).*/: \1/p' \
                -e 's/^ *\(Preparing [a-z]* metadata\).*/: \1/p' \
                -e 's/^ *\(Installing\) collected packages.*/: \1 them/p' "$1" 2>/dev/null | tail -n 1)"
            if [ -e "$1" ]; then echo "setup: $packages packages, $seconds s$doing"; fi
        fi
    done
}

seqkit_setup() {
    local python stamp wanted
    if [ -z "${VIRTUAL_ENV:-}" ]; then
        if [ ! -x "$seqkit_root/.venv/bin/python" ]; then
            python="$(seqkit_find_python)" || return 2
            echo "setup: making $seqkit_root/.venv with $("$python" --version)" >&2
            "$python" -m venv "$seqkit_root/.venv" || return 2
        fi
        # shellcheck disable=SC1091
        . "$seqkit_root/.venv/bin/activate"
    fi
    if ! seqkit_python_fits python; then
        echo "setup: error: $VIRTUAL_ENV has $(python --version 2>&1); seqkit needs Python 3.11 to 3.14" >&2
        return 2
    fi
    # What was installed last is written down, so that nothing is done twice; dev includes the rest.
    wanted="$(cat "$seqkit_root/pyproject.toml" "$seqkit_root/constraints.txt" | cksum) $seqkit_root"
    for stamp in "$VIRTUAL_ENV/.seqkit-installed-dev" "$VIRTUAL_ENV/.seqkit-installed-$seqkit_extra"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return 0; fi
    done
    echo "setup: installing seqkit and what it needs into $VIRTUAL_ENV (a few minutes the first time)" >&2
    seqkit_pip_install -e "$seqkit_root${seqkit_extra:+[$seqkit_extra]}" || return
    echo "$wanted" >"$stamp"
}

# A heading.
step() { printf '\n== %s\n' "$*" >&2; }

# Words of a command line as they can be typed.
typed() {
    local word line=""
    for word; do
        case $word in
            "" | *[!A-Za-z0-9_./,:=+%@-]*) word=$(printf %q "$word") ;;
        esac
        line+=" $word"
    done
    printf '   $%s\n' "$line" >&2
}

# A command, shown and run.
show() {
    typed "$@"
    "$@"
}

# Of a step that was done before.
there_already() { echo "   there already" >&2; }

# The end of a recipe, for those who go on: go_on FOLDER COMMAND …
go_on() {
    step "That is all. To go on by hand, in any shell:"
    typed . "$VIRTUAL_ENV/bin/activate"
    typed cd "$1"
    shift
    typed "$@"
}

seqkit_setup
