"""The checks of the exercises in Section 5.5, one module a section of the chapter.

``figures`` belongs to Section 5.1, ``arrays`` to 5.2, ``training`` to 5.3, ``validation`` to 5.4;
``core`` reads answers and words verdicts, ``drawn`` reads what a student drew.  A check never
raises, whatever the answer does.  PyTorch is imported only inside the two checks that need it.
"""
