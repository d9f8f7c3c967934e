/* ctl.h - the subcommands of ringpost: each gets its own argument list and returns the exit status */
#pragma once

int ctl_config(int argc, char **argv);
