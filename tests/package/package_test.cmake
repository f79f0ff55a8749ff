# cmake -DBINARY=… -DSOURCE=… -DMODEL=… -DCOMPILER=… -P package_test.cmake
#
# Installs into a folder of its own, builds the example against what lies there and nothing else, and chats with it.
set(root ${BINARY}/package)
file(REMOVE_RECURSE ${root})

function(run)
  cmake_parse_arguments(arg "" "INPUT;EXPECT" "COMMAND" ${ARGN})
  set(input "")
  if(arg_INPUT)
    set(input INPUT_FILE ${arg_INPUT})
  endif()
  execute_process(COMMAND ${arg_COMMAND} ${input} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${arg_COMMAND}: exit ${code}\n${output}\n${errors}")
  endif()
  if(arg_EXPECT AND NOT output MATCHES "${arg_EXPECT}")
    message(FATAL_ERROR "${arg_COMMAND}: expected ${arg_EXPECT}, found\n${output}")
  endif()
endfunction()

run(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${root}/prefix)
# Moved once, so that no path from the build can help.
file(RENAME ${root}/prefix ${root}/moved)
run(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${root}/examples -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_PREFIX_PATH=${root}/moved)
run(COMMAND ${CMAKE_COMMAND} --build ${root}/examples)
file(WRITE ${root}/question "hello\n")
run(COMMAND ${root}/examples/chat ${MODEL} INPUT ${root}/question EXPECT "^> .*\n> $")
run(COMMAND ${root}/moved/bin/pome --version EXPECT "pome")
if(EXISTS ${SOURCE}/assets/demo/config.json)
  run(COMMAND ${root}/examples/chat INPUT ${root}/question EXPECT "^> .+\n> $")
endif()
