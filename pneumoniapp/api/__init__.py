"""What every part of the REST API shares: errors, access, paging, limits and its description.

The routes themselves are in ``<app>/api/`` and are joined in ``pneumoniapp/api_urls.py``.
"""
