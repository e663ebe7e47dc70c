"""Reports as self-contained HTML pages.

``patient_content`` and ``study_content`` define the content, ``words`` holds the shared sentences, and ``patient_html``
and ``study_html`` render the pages.
"""
