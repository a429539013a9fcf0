"""Films joined from pieces: sample tables written by us, sample bytes copied by the kernel (ISO/IEC 14496-12)."""
