# cmake -DNM=… -DOBJECTS=a.o,b.o… -P isa_objects_test.cmake
#
# What the instruction-set files define must be theirs alone. Of an inline function that several files define the linker
# keeps one, and if it keeps that of a file with other instructions, it runs where those are missing.
string(REPLACE "," ";" objects "${OBJECTS}")
list(FILTER objects INCLUDE REGEX "[/_](amx|avx|neon)[0-9a-z]*\\.cpp\\.o$")
if(NOT objects)
  message(FATAL_ERROR "no instruction-set files among ${OBJECTS}")
endif()
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9a-f]+ W [^\n]*" shared "${symbols}")
  foreach(symbol IN LISTS shared)
    message(SEND_ERROR "${object} defines what other files may share: ${symbol}")
  endforeach()
endforeach()
