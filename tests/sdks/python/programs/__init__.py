"""Programs as they are written for each SDK. Only `connect` knows of a transport; nothing knows of hotspare."""
