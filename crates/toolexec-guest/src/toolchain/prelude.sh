tool() { "$TOOLEXEC_GUEST" --toolexec-tool "$@"; }
result() { "$TOOLEXEC_GUEST" --toolexec-tool --result "$@"; }
export -f tool result
if [[ -z ${TOOLEXEC_MAIN-} ]]; then
  export TOOLEXEC_MAIN=1
  trap 'if [[ -n ${__out+set} ]]; then result "$__out"; fi' EXIT
fi
