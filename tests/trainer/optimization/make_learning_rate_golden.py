#!/usr/bin/env python3
"""Makes tests/data/golden/learning_rate.json: the rates that the release's four trainers set.

    tests/trainer/optimization/make_learning_rate_golden.py CHECKOUT FILE

CHECKOUT is a clone of github.com/fandulu/IHDA, whose adjust_learning_rate is run as it stands. Each
list has a number for each epoch of the trainer's loop: adjust_* the rates that adjust_learning_rate
sets after that epoch, effective_* those that the epoch is trained with.
"""
import ast
import contextlib
import io
import json
import pathlib
import re
import sys
import types

# The name, the trainer, the script with its loop over epochs, and the file with its arguments.
TRAINERS = (("pku", "pku_market_trainer", "train_pku_market", "config_pku"),
            ("sbir", "zap_sbir_trainer", "train_zap_sbir", "config_sbir"),
            ("zap", "zap_tainer", "train_zap", "config_zap"),
            ("market", "market_tainer", "train_market", "config_market"))


def only(pattern, text):
    found = set(re.findall(pattern, text))
    if len(found) != 1:
        sys.exit(f"{pattern!r} matches {sorted(found)}, and one value was expected")
    return found.pop()


def adjust_function(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == "adjust_learning_rate":
            names = {}
            exec(compile(ast.Module([node], []), "adjust_learning_rate", "exec"), names)
            return names[node.name]
    sys.exit("no adjust_learning_rate")


def rates(checkout, trainer, script, config):
    source = (checkout / "engine" / (trainer + ".py")).read_text()
    rate = float(only(r"self\.lr = ([0-9.e-]+)", (checkout / "config" / (config + ".py")).read_text()))
    factor = float(only(r"Embed_(?:\d_)?optimizer = optim.Adam\(.*lr = ([0-9.]+)\*self.args.lr", source))
    epochs = int(only(r"range\(start_epoch, (\d+)-start_epoch\)", (checkout / (script + ".py")).read_text()))
    optimizers = sorted(set(re.findall(r"self\.(\w+_optimizer)\b", source)))
    # Every optimizer that the trainer has, at its first rate.
    this = types.SimpleNamespace(args=types.SimpleNamespace(lr=rate), **{
        name: types.SimpleNamespace(param_groups=[{"lr": rate * (factor if "Embed" in name else 1)}])
        for name in optimizers})
    embed = next(name for name in optimizers if "Embed" in name)
    result = {"args_lr": rate, "embed_factor": factor}
    lists = {name: [] for name in ("adjust_head_lr", "adjust_embed_lr", "effective_head_lr", "effective_embed_lr")}
    adjust = adjust_function(source)
    for epoch in range(epochs):
        for kind in ("effective", "adjust"):
            for part, optimizer in (("head", "Classify_optimizer"), ("embed", embed)):
                lists[f"{kind}_{part}_lr"].append(getattr(this, optimizer).param_groups[0]["lr"])
            if kind == "effective":
                with contextlib.redirect_stdout(io.StringIO()):
                    adjust(this, epoch)
    return {**result, **lists}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkout = pathlib.Path(sys.argv[1])
    golden = {name: rates(checkout, *files) for name, *files in TRAINERS}
    pathlib.Path(sys.argv[2]).write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
