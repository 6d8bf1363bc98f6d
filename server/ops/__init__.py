"""Run Hubbub as processes: embedded servers, supervisor, gateway and worker loops, logs."""
