"""One file a lab, named as the lab: what it shows before its model is there. The page's side is `web/src/labs`."""
