"""Black-box conformance suite for DICOMweb origin servers: `python -m conformance --base-url URL`."""
