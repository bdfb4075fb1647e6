#!/usr/bin/env bash
# Trains the preset `thesis` on one GPU, which renders the stacks too. Every call runs for at most SECONDS_MAX and
# continues where the last one stopped; after the last epoch the weights are in runs/thesis/model. The first call
# measures samples a second by part and writes benchmarks/results/gpu_training.json.
#     SECONDS_MAX=570 bash benchmarks/gpu/train.sh
set -eu
cd "$(dirname "$0")/../.."
export PYTHONPATH=. OMP_NUM_THREADS=1
workers=$(($(nproc) - 1))
[ -f benchmarks/results/gpu_training.json ] || python3 -m benchmarks.gpu.training --workers "$workers"
timeout --signal=INT "${SECONDS_MAX:-570}" python3 -c "import sys; from torch_afm.cli.main import main; sys.exit(main())" \
    train --config examples/configs/thesis.yaml --accelerator gpu --precision bf16-mixed --render device --workers "$workers" "$@"
