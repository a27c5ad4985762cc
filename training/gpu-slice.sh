#!/usr/bin/env bash
# One slice of a training on a lent machine, and what should come back from it.
#
#   training/gpu-slice.sh RECIPE DATA RUN BACK [MINUTES] [options of posekit train]
#
# RECIPE  such as training/recipes/transpose-r-a3-lsp.toml
# DATA    the data set: the pieces of `posekit data pack` in one folder
# RUN     folder of the run; the next slice goes on from what lies there
# BACK    an empty folder; gets the fp16 weights, their model card and the log
# MINUTES the slice's training, 8 by default: reading the data and measuring come on top
#
# After the last slice the weights are measured on the photographs kept out, into the card.
# PYTHON=/path/to/python3 chooses another Python; PoseKit itself need not be installed.
set -euo pipefail
if [ $# -lt 4 ]; then
  sed -n '3,13s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
recipe=$1 data=$2 run=$3 back=$4 minutes=${5:-8}
shift $(($# < 5 ? $# : 5))
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
posekit=("${PYTHON:-python3}" -m posekit)
mkdir -p "$back"

"${posekit[@]}" train "$recipe" --data "$data" --out "$run" --minutes "$minutes" --export "$back" "$@"
if [ -f "$run/log.csv" ]; then cp "$run/log.csv" "$back/$(basename "$recipe" .toml).csv"; fi

# The card says how far the exported weights came; only a finished run is worth the measuring.
model=$("${PYTHON:-python3}" - "$recipe" "$run/last.pt" <<'PYTHON'
import sys

import torch

from posekit.training.recipe import read_recipe

recipe = read_recipe(sys.argv[1])
state = torch.load(sys.argv[2], map_location="cpu", weights_only=True, mmap=True)
print(f"step {state['step']:,} of {recipe.steps:,}", file=sys.stderr)
print(recipe.model if state["step"] >= recipe.steps else "")
PYTHON
)
if [ -n "$model" ]; then
  POSEKIT_CHECKPOINTS=$back "${posekit[@]}" evaluate "$model" --data "$data" --card
fi
ls -l "$back"
