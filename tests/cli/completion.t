The scripts are well-formed, and bash's one completes.

  $ pome completion bash > pome.bash && bash -n pome.bash
  $ pome completion zsh | head -1
  #compdef pome
  $ pome completion fish | grep -c "complete -c pome"
  …
  $ . ./pome.bash
  $ COMP_WORDS=(pome comp); COMP_CWORD=1; _pome; echo "${COMPREPLY[@]}"
  completion
  $ COMP_WORDS=(pome completion z); COMP_CWORD=2; _pome; echo "${COMPREPLY[@]}"
  zsh
