"""Sound as numpy arrays: resampling, tones, file headers; no time, no I/O."""
