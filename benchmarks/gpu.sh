#!/bin/sh
# Everything that a GPU is needed for, in one run of at most six minutes: correctness, then the search and the means,
# then a training step and inference, the trainer with its loader, a profile, CUDA graphs and torch.compile.
#
#   OUT=folder sh benchmarks/gpu.sh          on a machine with an NVIDIA GPU; needs what pyproject.toml lists, less av,
#                                            opencv, pydantic and neurokit2
#   OUT=folder sh benchmarks/gpu.sh --cpu    the same, tiny, on a CPU: shows that everything runs
#
# STAGES names some of the stages below to run these alone. Result files are written as they come, so a run that is cut
# off leaves what it had.
cd "$(dirname "$0")/.." || exit 2
OUT=${OUT:-benchmarks/results}
PYTHON=${PYTHON:-python3}
export PYTHONPATH="$PWD"
mkdir -p "$OUT"
device=cuda quick= tests="slow or not slow" patience=1
[ "$1" = "--cpu" ] && device=cpu quick="--quick --threads 1" tests="not slow" patience=12
failed=0
end=$(($(date +%s) + ${SECONDS_IN_ALL:-$((355 * patience))}))

stage() {  # name, most seconds, command …
    name=$1 most=$(($2 * patience))
    shift 2
    case " ${STAGES:-$name} " in *" $name "*) ;; *) return ;; esac
    began=$(date +%s)
    [ $((end - began)) -lt "$most" ] && most=$((end - began))
    [ "$most" -gt 0 ] || { echo "== $name: no time left"; failed=1; return; }
    timeout "$most" "$@" > "$OUT/$name.log" 2>&1
    code=$?
    echo "== $name: exit $code after $(($(date +%s) - began)) s"
    tail -n "${LINES_SHOWN:-12}" "$OUT/$name.log"
    [ $code -eq 0 ] || failed=1
}

stage tests 90 "$PYTHON" -m pytest -p no:cacheprovider --durations=5 -m "$tests" \
    tests/graph/test_triton_kernels.py tests/test_cuda.py
for bench in knn graph_conv; do
    stage $bench 50 "$PYTHON" benchmarks/bench_$bench.py --device $device $quick --out "$OUT"
done
for part in train inference fed profile graphs compiled; do
    stage gpu_$part 60 "$PYTHON" benchmarks/bench_gpu.py $part --device $device $quick --out "$OUT"
done
exit $failed
