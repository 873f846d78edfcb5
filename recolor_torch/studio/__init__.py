"""The studio: a page in the browser in which a person colors a picture with a brush.

``desk`` knows the pictures and files of a run, ``session`` one open picture, ``engine`` its mathematics, ``marks`` what
was painted, ``protocol`` the messages, ``gate`` who may ask, ``server`` joins them. The page is in ``page/``.
"""
