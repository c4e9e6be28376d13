"""Asks the installed duplicity which files it selects. Run by the Python that has it.

One JSON request a line on the standard input: {"cwd", "root", "rules": [[option, value], ...], "null"}; file lists are
given by their content. One answer a line: {"paths": [...]} (byte strings), {"code": n} for its fatal errors, or {"error"}.
"""
import io
import json
import os
import re
import sys

from duplicity import log, path, selection

try:
    from duplicity import config
except ImportError:
    from duplicity import globals as config
try:
    from duplicity.cli_util import parse_selection_args
except ImportError:
    parse_selection_args = None


class Fatal(Exception):
    def __init__(self, code):
        super().__init__()
        self.code = code


def fatal(_message, code=1, extra=None):
    raise Fatal(code)


def select(request):
    os.chdir(request["cwd"])
    config.null_separator = request["null"]
    options, files = [], []
    for option, value in request["rules"]:
        if "filelist" in option or option == "--files-from":
            options.append((option, "list"))
            files.append(io.StringIO(value, newline=None))
        else:
            options.append((option, value))
    root = path.Path(os.fsencode(request["root"])).get_canonical()
    config.local_path = path.Path(root)
    selected = selection.Select(config.local_path)
    if parse_selection_args:
        parse_selection_args(selected, options, files)
    else:
        selected.ParseArgs(options, files)
    # Parents of --files-from that do not exist are emitted as absent.
    return [b"/".join(found.index).decode("latin1") for found in selected.set_iter() if found.type is not None]


def answer(request):
    try:
        return {"paths": select(request)}
    except re.error:
        # It ends in a traceback there.
        return {"code": 15}
    except (Exception, SystemExit) as problem:
        code = getattr(problem, "code", None)
        return {"error": repr(problem)} if code is None else {"code": int(code)}


def main():
    log.setup()
    log.FatalError = fatal
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        replies.write(json.dumps(answer(json.loads(line))) + "\n")
        replies.flush()


main()
