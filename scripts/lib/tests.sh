# ./prodorder test
tests_run() {
    not_built_yet test
}
