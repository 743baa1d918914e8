#!/bin/bash
# One training on several machines under SLURM: sbatch docs/train_slurm.sh CONFIG RUN; the same line goes on after a stop.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
set -euo pipefail
config=$1 run=$2
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
if [ -e "$run/config.yaml" ]; then what=(--resume "$run"); else what=("$config" --out "$run"); fi
srun torchrun --nnodes="$SLURM_NNODES" --nproc-per-node="${SLURM_GPUS_ON_NODE:-1}" --rdzv-id="$SLURM_JOB_ID" \
    --rdzv-backend=c10d --rdzv-endpoint="$first:29500" run.py train "${what[@]}"
