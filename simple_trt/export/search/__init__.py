"""Which blocks of a network become int8: measured in AP, timed, and searched within a limit of AP lost."""
